"""Heun's method along the straight way between noise and picture."""

import math
from dataclasses import dataclass

import tensorflow as tf

from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.flow import length_of, time_of
from pdm_tf.diffusion.gaussian import eps_from_x, noised
from pdm_tf.errors import SettingError
from pdm_tf.samplers.sampler import Denoise


@dataclass(frozen=True)
class LinearHeun:
    """Euler's step in t, then the mean of both ends' velocities; order 2.

    Two evaluations a step. The ODE is that of w = t·x + (1 - t)·s·eps, where dw/dt is
    x - s·eps: the sampler of JiT (arXiv 2511.13720). Euler's step alone is DDIM.

    Attributes:
      noise_scale: s; that of the model's process for its authors' sampler.
    """

    noise_scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.noise_scale < math.inf:
            raise SettingError("noise_scale", self.noise_scale, "choose more than 0")

    @property
    def convergence_order(self) -> int | None:
        return 2

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
        s = self.noise_scale
        x = denoise(z, level).x
        eps = eps_from_x(z, x, level)
        guess = noised(x, eps, to)
        then = denoise(guess, to).x
        slope = 0.5 * ((x + then) - s * (eps + eps_from_x(guess, then, to)))
        gained = time_of(level, s)[1] - time_of(to, s)[1]
        w = z * length_of(level, s) + gained * slope
        return w / length_of(to, s), state
