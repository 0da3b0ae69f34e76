"""Ancestral sampling (arXiv 2006.11239) with learned or fixed variance."""

from dataclasses import dataclass
from typing import Literal

import tensorflow as tf

from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.gaussian import posterior_mean, posterior_variance
from pdm_tf.samplers.sampler import Denoise


@dataclass(frozen=True)
class DDPM:
    """Draws each step from p(z_s | z_t) (section 2.1).

    Attributes:
      variance: "learned" interpolates between both bounds as the denoiser says
        (Appendix C); "large" is beta, "small" is beta-tilde.
    """

    variance: Literal["learned", "large", "small"] = "learned"

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
        x, learned = denoise(z, level)
        share = {"learned": learned, "large": 0.0, "small": 1.0}[self.variance]
        log_variance = posterior_variance(level, to).interpolated(share)
        mean = posterior_mean(z, x, level, to)
        return mean + tf.exp(0.5 * log_variance) * noise, state
