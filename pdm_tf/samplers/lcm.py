"""Multistep sampling of consistency models (arXiv 2303.01469, algorithm 1)."""

from dataclasses import dataclass

import tensorflow as tf

from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.gaussian import noised
from pdm_tf.samplers.sampler import Denoise


@dataclass(frozen=True)
class LCM:
    """Takes the estimate for the picture, and noises it anew to the next level.

    Of a consistency model an estimate lies where its trajectory ends, so one is enough
    and every further one mends what is left (arXiv 2310.04378, section 4.4). All noise
    of a step is fresh: that of the step's own stream.
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
        return noised(denoise(z, level).x, noise, to), state
