"""DPM-Solver++ (arXiv 2211.01095): the linear part solved exactly."""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from pdm_tf.diffusion import NoiseLevel
from pdm_tf.samplers.sampler import Denoise


class _Past(NamedTuple):
    x: tf.Tensor  # estimate of the step before, [B, H, W, C]
    h: tf.Tensor  # its size [half log SNR]; 0 before the first step


@dataclass(frozen=True)
class DPMSolver:
    """DPM-Solver++(2M) (algorithm 2); order 2, one evaluation a step.

    The estimate is extrapolated along half the log SNR from the two latest ones. The
    first step, which has only one, is of order 1: it is DDIM's.

    Attributes:
      sde: SDE-DPM-Solver++(2M) (equation 18): the same for the diffusion SDE, which
        draws fresh noise at every step.
    """

    sde: bool = False

    @property
    def convergence_order(self) -> int | None:
        return None if self.sde else 2

    def init(self, z: tf.Tensor) -> _Past:
        return _Past(tf.zeros_like(z), tf.zeros([], z.dtype))

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: _Past,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, _Past]:
        x, _ = denoise(z, level)
        h = 0.5 * (to.log_snr - level.log_snr)
        # No past (h = 0) divides to no extrapolation.
        towards = 0.5 * tf.math.divide_no_nan(h, state.h)
        ahead = x + towards * (x - state.x)
        if self.sde:
            z = tf.exp(-h) * (to.noise / level.noise) * z
            z += to.signal * -tf.math.expm1(-2.0 * h) * ahead
            z += to.noise * tf.sqrt(-tf.math.expm1(-2.0 * h)) * noise
        else:
            z = (to.noise / level.noise) * z - to.signal * tf.math.expm1(-h) * ahead
        return z, _Past(x, h)
