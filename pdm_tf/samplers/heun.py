"""Heun's method with churn: the samplers of EDM (arXiv 2206.00364)."""

import math
from dataclasses import dataclass

import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.gaussian import eps_from_x, noised, x_with_eps
from pdm_tf.samplers.sampler import Denoise

_LARGEST = math.sqrt(2.0) - 1.0  # "no more new noise than there already is"


@dataclass(frozen=True)
class Heun:
    """Euler's step, then the mean of both ends' slopes (algorithms 1, 2); order 2.

    Two evaluations a step. The ODE is that of y = z / signal in sigma = noise /
    signal, where dy/dsigma is the noise eps (equation 4 there).

    Attributes:
      churn: gamma, the share by which sigma is raised with fresh noise before a step:
        S_churn divided by the number of steps; 0 draws no noise. It raises the noise
        no further than to the level before, since the network takes a timestep,
        and between two levels visited that timestep is known.
      churn_from, churn_to: S_tmin and S_tmax, the sigmas between which to churn.
      churn_scale: S_noise, standard deviation of the fresh noise.
    """

    churn: float = 0.0
    churn_from: float = 0.05
    churn_to: float = 50.0
    churn_scale: float = 1.003

    def __post_init__(self) -> None:
        if not 0.0 <= self.churn <= _LARGEST:
            raise InputError(f"churn {self.churn} of Heun: choose from 0 to 0.414")

    @property
    def convergence_order(self) -> int | None:
        return None if self.churn else 2

    def init(self, z: tf.Tensor) -> NoiseLevel:
        """The level before: none, shown by an SNR that falls to nothing."""
        return NoiseLevel(tf.constant(0), tf.constant(math.inf, z.dtype))

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: NoiseLevel,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, NoiseLevel]:
        before, here = state, level
        if self.churn:
            here = self._raised(level, before)
            z = self._noisier(z, level, here, noise)
        x = denoise(z, here).x
        eps = eps_from_x(z, x, here)
        guess = noised(x, eps, to)
        mean = 0.5 * (eps + eps_from_x(guess, denoise(guess, to).x, to))
        return noised(x_with_eps(x, eps, mean, here), mean, to), level

    def _raised(self, level: NoiseLevel, before: NoiseLevel) -> NoiseLevel:
        """The level at sigma·(1 + churn), or as far as the level before."""
        sigma = tf.exp(-0.5 * level.log_snr)
        inside = (sigma >= self.churn_from) & (sigma <= self.churn_to)
        gap = tf.maximum(level.log_snr - before.log_snr, 0.0)
        rise = tf.minimum(tf.where(inside, 2.0 * math.log1p(self.churn), 0.0), gap)
        share = tf.math.divide_no_nan(rise, gap)
        later = tf.cast(before.t - level.t, share.dtype)
        t = level.t + tf.cast(tf.round(share * later), tf.int32)
        return NoiseLevel(t, level.log_snr - rise)

    def _noisier(
        self, z: tf.Tensor, level: NoiseLevel, here: NoiseLevel, noise: tf.Tensor
    ) -> tf.Tensor:
        """z with fresh noise, moved from a level to the noisier level `here`."""
        added = tf.exp(-here.log_snr) - tf.exp(-level.log_snr)  # of sigma²
        fresh = tf.sqrt(tf.maximum(added, 0.0)) * self.churn_scale
        return here.signal * (z / level.signal + fresh * noise)
