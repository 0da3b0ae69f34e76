"""Annealed Langevin dynamics, by which score networks sample (arXiv 1907.05600)."""

from dataclasses import dataclass

import tensorflow as tf

from pdm_tf.diffusion import NoiseLevel
from pdm_tf.samplers.sampler import Denoise


@dataclass(frozen=True)
class Langevin:
    """At each level a step along the score, and noise; then the noise counts as less.

    On x + s·n, s² = (1 - a) / a: u' = u + (d / 2) score + sqrt(d) n with d = rate·s²
    and score = (x - u) / s². A level that a grid names several times is stayed at. The
    variance of normal data of variance v comes out as v / (1 - d / (4 v)).

    Attributes:
      rate: d in units of s²; it must be below 4.
    """

    rate: float = 1.0

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
        u = z / level.signal
        s = level.noise / level.signal
        u = u + 0.5 * self.rate * (x - u) + tf.sqrt(self.rate) * s * noise
        return to.signal * u, state
