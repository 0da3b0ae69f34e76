"""Damps the end of sampling as the authors of JiT do (arXiv 2511.13720)."""

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Carry, Denoiser, Prediction, Wrapper
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.flow import length_of, time_of


class Damped(Wrapper):
    """A denoiser whose velocity (x - w) / (1 - t) has max(1 - t, floor) below.

    Their code divides so. Said of the estimate it is w + (x - w)·(1 - t) / floor where
    1 - t is smaller, and the estimate itself elsewhere: every sampler then takes the
    steps of theirs, and what they end with is not quite free of noise.
    """

    def __init__(self, denoise: Denoiser, floor: float) -> None:
        super().__init__(denoise)
        self.floor = floor

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        (x, variance), carry = self.denoise.predict(z, level, carry)
        wide, scale = level.per_pixel(), self.schedule.noise_scale
        share = tf.minimum(time_of(wide, scale)[1] / self.floor, 1.0)
        w = z * length_of(wide, scale)
        return Prediction(w + share * (x - w), variance), carry


def damped(denoise: Denoiser, floor: float) -> Denoiser:
    """The denoiser with 1 - t no smaller than `floor` where it divides; 0: itself.

    Args:
      denoise: what is damped, guided already where it is guided.
      floor: in [0, 1); 0.05 in JiT. t is the time of the straight way, 1 the picture.
    """
    return Damped(denoise, floor) if floor else denoise
