"""The reverse of the stochastic differential equation, by Euler (arXiv 2011.13456)."""

from dataclasses import dataclass

import tensorflow as tf

from pdm_tf.diffusion import NoiseLevel
from pdm_tf.samplers.sampler import Denoise


@dataclass(frozen=True)
class ReverseSDE:
    """Euler and Maruyama's method on the variance-preserving process.

    dz = (-b z / 2 - b score) dt + sqrt(b) dw backwards, where the integral of b over a
    step is log(a_s / a_t), and the score of z is (sqrt(a) x - z) / (1 - a).
    """

    @property
    def convergence_order(self) -> int | None:
        return None

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
        x = denoise(z, level).x
        score = (level.signal * x - z) / tf.square(level.noise)
        b = tf.math.log(to.alpha / level.alpha)
        return z + b * (0.5 * z + score) + tf.sqrt(b) * noise, state
