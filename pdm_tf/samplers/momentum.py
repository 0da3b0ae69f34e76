"""Momentum against divergence artifacts at few steps (arXiv 2307.11118)."""

import math
from dataclasses import dataclass

import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.gaussian import eps_from_x, noised, x_with_eps
from pdm_tf.samplers.plms import ADAMS_BASHFORTH, History, check_order
from pdm_tf.samplers.sampler import Denoise

State = tuple[History, tf.Tensor]


def _averaged(v: tf.Tensor, new: tf.Tensor, beta: float, count: tf.Tensor) -> tf.Tensor:
    """(1 - beta)·v + beta·new; the first average is its first member."""
    return tf.where(count == 0, new, (1.0 - beta) * v + beta * new)


@dataclass(frozen=True)
class HeavyBall:
    """PLMS whose direction is an exponential average (equation 14); order 1.

    Attributes:
      beta: damping in (0, 1]; 1 is PLMS, less is calmer and less exact.
      order: noises used by the PLMS inside.
    """

    beta: float = 0.8
    order: int = 4

    def __post_init__(self) -> None:
        check_order("HeavyBall", self.order)
        if not 0.0 < self.beta <= 1.0:
            raise InputError(f"beta {self.beta} of HeavyBall: above 0 and up to 1")

    @property
    def convergence_order(self) -> int | None:
        return 1 if self.beta < 1.0 else min(self.order, 2)

    def init(self, z: tf.Tensor) -> State:
        return History.empty(z, self.order - 1), tf.zeros_like(z)

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: State,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, State]:
        history, v = state
        x = denoise(z, level).x
        eps = eps_from_x(z, x, level)
        ahead, later = history.extrapolated(eps, ADAMS_BASHFORTH)
        v = _averaged(v, ahead, self.beta, history.count)
        return noised(x_with_eps(x, eps, v, level), v, to), (later, v)


@dataclass(frozen=True)
class GHVB:
    """Averages the noise first, and undoes the lag in the weights (algorithm 2).

    Attributes:
      momentum: the paper's number: 1.8 is order 2 with damping beta = 0.8, between
        PLMS of order 1 (DDIM) and of order 2; 2 is PLMS of order 2. The order of
        convergence is that of the upper neighbour (theorem 2), at most 2 as PLMS's.
    """

    momentum: float = 1.8

    def __post_init__(self) -> None:
        if not 0.0 < self.momentum <= len(ADAMS_BASHFORTH):
            raise InputError(f"momentum {self.momentum} of GHVB: above 0 and up to 4")

    @property
    def order(self) -> int:
        """Averages used."""
        return math.ceil(self.momentum)

    @property
    def beta(self) -> float:
        """Damping, in (0, 1]."""
        return self.momentum - (self.order - 1)

    @property
    def series(self) -> tuple[float, ...]:
        """Adams-Bashforth times 1 + (1 - beta)/beta·D, which undoes the average."""
        lag = (1.0 - self.beta) / self.beta
        lower = (0.0, *ADAMS_BASHFORTH[:-1])
        return tuple(a + lag * b for a, b in zip(ADAMS_BASHFORTH, lower, strict=True))

    @property
    def convergence_order(self) -> int | None:
        return min(self.order, 2)

    def init(self, z: tf.Tensor) -> State:
        return History.empty(z, self.order - 1), tf.zeros_like(z)

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: State,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, State]:
        history, v = state
        x = denoise(z, level).x
        eps = eps_from_x(z, x, level)
        v = _averaged(v, eps, self.beta, history.count)
        ahead, later = history.extrapolated(v, self.series)
        return noised(x_with_eps(x, eps, ahead, level), ahead, to), (later, v)
