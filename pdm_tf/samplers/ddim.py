"""Denoising diffusion implicit models (arXiv 2010.02502), and the way back."""

import math
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
from pdm_tf.samplers.sampler import Denoise, Seeds, integrate


@dataclass(frozen=True)
class DDIM:
    """Keeps the noise that the estimate implies (equation 12); order 1.

    Attributes:
      eta: share of fresh noise (equation 16): 0 draws none, so that the seed's start
        decides everything; 1 has the variance beta-tilde of ancestral sampling.
    """

    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.eta <= 1.0:
            raise InputError(f"eta {self.eta} of DDIM: choose between 0 and 1")

    @property
    def convergence_order(self) -> int | None:
        return None if self.eta else 1

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
            fresh = fresh_share(level, to, self.eta)
            eps = tf.sqrt(1.0 - fresh) * eps + tf.sqrt(fresh) * noise
        return noised(x, eps, to), state


def fresh_share(level: NoiseLevel, to: NoiseLevel, eta: float) -> tf.Tensor:
    """sigma² / (1 - alpha_s): how much of the noise left at s is drawn anew.

    sigma² is eta² times the variance beta-tilde of ancestral sampling.
    """
    log_beta_tilde = posterior_variance(level, to).log_beta_tilde
    return eta**2 * tf.exp(log_beta_tilde - tf.math.log_sigmoid(-to.log_snr))


@dataclass(frozen=True)
class DDIMEncoder:
    """Steps up: to the z from which one step of DDIM leads back to here.

    That z stands on both sides of its equation; it is found by iterating (arXiv
    2312.12540), from the guess that the noise is that of the step before. The first
    step starts from fresh noise: many noises lead to one clean picture, and where a
    picture is flat nothing else would tell the network's errors from noise.

    Attributes:
      iterations: evaluations in a step; the way there and back errs by
        O(h^iterations) of the step size h, where the iteration converges.
    """

    iterations: int = 1

    @property
    def convergence_order(self) -> int | None:
        return None

    def init(self, z: tf.Tensor) -> tf.Tensor:
        return tf.zeros_like(z)

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: tf.Tensor,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        eps = tf.where(level.noise > 0.0, state, noise)
        for _ in range(self.iterations):
            guess = noised(x_from_eps(z, eps, level), eps, to)
            eps = eps_from_x(guess, denoise(guess, to).x, to)
        return noised(x_from_eps(z, eps, level), eps, to), eps


def invertible(grid: Grid, snr: float = 400.0) -> Grid:
    """The grid without its last levels, whose SNR is above a bound.

    A trained network errs by some hundredths of the range of pictures. Where the noise
    is quieter than that, the noise that an estimate implies is the network's error, and
    on the way up it would be carried along. The first level always stays.
    """
    count = tf.reduce_sum(tf.cast(grid.log_snr <= math.log(snr), tf.int32))
    count = tf.maximum(count, 1)
    return Grid(*(levels[:count] for levels in grid))


def encode(
    denoise: Denoiser, grid: Grid, seeds: Seeds, x: tf.Tensor, iterations: int = 1
) -> tf.Tensor:
    """The noise at the grid's first level from which DDIM draws the picture x.

    `sample_from(denoise, DDIM(), grid, seeds, z)` on the same grid decodes.

    Args:
      denoise: what is inverted, without guidance: guided estimates are hard to invert.
      grid: the levels, as for sampling; of a trained model those of `invertible`.
      seeds: int32 [N], one for each picture.
      x: pictures [N, H, W, C] in [-1, 1].
      iterations: evaluations in a step, at least 1, see `DDIMEncoder`.

    Returns:
      z, float32 [N, H, W, C].

    Raises:
      InputError: iterations below 1.
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
    return integrate(denoise, DDIMEncoder(iterations), upwards, seeds, x)
