"""Denoising diffusion implicit models (arXiv 2010.02502), and the way back."""

from dataclasses import dataclass

import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.diffusion.gaussian import (
    eps_from_x,
    noised,
    posterior_variance,
    x_from_eps,
)
from pdm_tf.samplers.sampler import Denoise, travel


@dataclass(frozen=True)
class DDIM:
    """Keeps the noise that the belief implies (equation 12); order 1.

    Attributes:
      eta: share of fresh noise (equation 16): 0 draws none, so that the seed's start
        decides everything; 1 has the variance beta-tilde of ancestral sampling.
    """

    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.eta <= 1.0:
            raise InputError(f"eta {self.eta} of DDIM: choose between 0 and 1")

    def init(self, z: tf.Tensor) -> tuple:
        return ()

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: tuple,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, tuple]:
        x, _ = denoise(z, level)
        eps = eps_from_x(z, x, level)
        if self.eta:
            fresh = self._fresh(level, to)
            eps = tf.sqrt(1.0 - fresh) * eps + tf.sqrt(fresh) * noise
        return noised(x, eps, to), state

    def _fresh(self, level: NoiseLevel, to: NoiseLevel) -> tf.Tensor:
        """sigma² / (1 - alpha_s): how much of the noise left at s is drawn anew."""
        log_beta_tilde = posterior_variance(level, to).log_beta_tilde
        of_all = tf.exp(log_beta_tilde - tf.math.log_sigmoid(-to.log_snr))
        return self.eta**2 * of_all


@dataclass(frozen=True)
class DDIMEncoder:
    """Steps up: to the z from which one step of DDIM leads back to here.

    That z stands on both sides of its equation; it is found by iterating, from the
    guess that the noise is that of the step before (arXiv 2312.12540, equation 5).

    Attributes:
      iterations: evaluations in a step; the way there and back errs by
        O(h^iterations) of the step size h.
    """

    iterations: int = 2

    def init(self, z: tf.Tensor) -> tf.Tensor:
        return tf.zeros_like(z)  # of the clean picture: it has no noise

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: tf.Tensor,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        eps = state
        for _ in range(self.iterations):
            guess = noised(x_from_eps(z, eps, level), eps, to)
            eps = eps_from_x(guess, denoise(guess, to).x, to)
        return noised(x_from_eps(z, eps, level), eps, to), eps


def encode(
    denoise: Denoiser, grid: Grid, x: tf.Tensor, iterations: int = 2
) -> tf.Tensor:
    """The noise at the grid's first level from which DDIM draws the picture x.

    `walk(denoise, DDIM(), grid, seeds, z)` decodes, with any seeds.

    Args:
      denoise: what is asked, without guidance: guided beliefs are hard to invert.
      grid: the levels, as for sampling.
      x: pictures [N, H, W, C] in [-1, 1].
      iterations: evaluations in a step, at least 1, see `DDIMEncoder`.

    Returns:
      z, float32 [N, H, W, C].
    """
    if iterations < 1:
        raise InputError(f"iterations {iterations} of encode: at least 1 is needed")
    clean = NoiseLevel.from_alpha(-1, 1.0)
    upwards = Grid(
        *(
            tf.concat([[first], rest[::-1]], 0)
            for first, rest in zip(clean, grid, strict=True)
        )
    )
    seeds = tf.zeros([tf.shape(x)[0]], tf.int32)  # nothing is drawn
    return travel(denoise, DDIMEncoder(iterations), upwards, seeds, x)
