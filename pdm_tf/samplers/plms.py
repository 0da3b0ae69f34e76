"""Pseudo linear multi-step sampling, PLMS (PNDM, arXiv 2202.09778)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.gaussian import eps_from_x, noised, x_with_eps
from pdm_tf.samplers.sampler import Denoise

# Adams-Bashforth as a series of backward differences: 1 + 1/2 D + 5/12 D² + 3/8 D³.
ADAMS_BASHFORTH = (1.0, 1 / 2, 5 / 12, 3 / 8)


def check_order(name: str, order: int) -> None:
    """Raises InputError for an order that the series above does not reach."""
    if order not in range(1, len(ADAMS_BASHFORTH) + 1):
        raise InputError(f"order {order} of {name}: choose 1, 2, 3 or 4")


class History(NamedTuple):
    """What the latest steps estimated, newest first."""

    count: tf.Tensor  # steps so far, int32 []
    entries: tuple[tf.Tensor, ...]  # each [B, H, W, C]

    @classmethod
    def empty(cls, z: tf.Tensor, size: int) -> "History":
        return cls(tf.constant(0), tuple(tf.zeros_like(z) for _ in range(size)))

    def extrapolated(
        self, newest: tf.Tensor, series: tuple[float, ...]
    ) -> tuple[tf.Tensor, "History"]:
        """The series of backward differences at `newest`, and the longer history.

        Differences of higher order than there is history for are left out, so the
        first step is of order 1, the second of order 2, and so on.
        """
        total, differences = newest, [newest]
        for order, entry in enumerate(self._differences(), start=1):
            differences.append(differences[-1] - entry)
            known = tf.cast(self.count >= order, newest.dtype)
            total += known * series[order] * differences[order]
        entries = (newest, *self.entries)[: len(self.entries)]
        return total, History(self.count + 1, entries)

    def _differences(self) -> list[tf.Tensor]:
        """Backward differences of order 0, 1, … at the newest entry."""
        rows, found = list(self.entries), []
        while rows:
            found.append(rows[0])
            rows = [a - b for a, b in pairwise(rows)]
        return found


@dataclass(frozen=True)
class PLMS:
    """DDIM's step along a noise extrapolated from the latest ones (equation 12).

    One evaluation a step. The weights are those of Adams-Bashforth for equal steps in
    sigma = noise / signal; where steps change smoothly in size, as on all our grids,
    any order from 2 on converges with order 2, and more so the larger it is. Orders
    rise step by step, instead of the paper's Runge-Kutta start.

    Attributes:
      order: noises used; 1 is DDIM, 4 the paper's.
    """

    order: int = 4

    def __post_init__(self) -> None:
        check_order("PLMS", self.order)

    @property
    def convergence_order(self) -> int | None:
        return min(self.order, 2)

    def init(self, z: tf.Tensor) -> History:
        return History.empty(z, self.order - 1)

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: History,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, History]:
        x = denoise(z, level).x
        eps = eps_from_x(z, x, level)
        ahead, state = state.extrapolated(eps, ADAMS_BASHFORTH)
        return noised(x_with_eps(x, eps, ahead, level), ahead, to), state
