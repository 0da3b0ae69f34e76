"""Keeps the x0 estimate within the range of pictures."""

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser, Prediction, Wrapper
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.errors import SettingError


def check_percentile(threshold: float | None) -> None:
    """Raises InputError for a percentile outside (0, 100]."""
    if threshold is not None and not 0.0 < threshold <= 100.0:
        raise SettingError(
            "percentile",
            threshold,
            "give one above 0 and up to 100, such as 99.5, or none",
        )


def clip_statically(x: tf.Tensor) -> tf.Tensor:
    """Clips to [-1, 1]."""
    return tf.clip_by_value(x, -1.0, 1.0)


def clip_dynamically(x: tf.Tensor, percentile: float) -> tf.Tensor:
    """Clips each picture at a percentile of its own |x| and rescales it to [-1, 1].

    s = max(percentile of |x|, 1); clip to [-s, s]; divide by s (arXiv 2205.11487,
    section 2.3; the nearest of the sorted values, without interpolation).

    Args:
      x: pictures [B, H, W, C].
      percentile: in (0, 100].
    """
    size = x.shape[1] * x.shape[2] * x.shape[3]
    rank = round((size - 1) * percentile / 100.0)  # ascending, from 0
    flat = tf.reshape(tf.abs(x), [-1, size])
    largest = tf.math.top_k(flat, size - rank).values
    s = tf.maximum(largest[:, -1], 1.0)[:, None, None, None]
    return tf.clip_by_value(x, -s, s) / s


class Thresholded(Wrapper):
    """A denoiser whose estimate is clipped."""

    def __init__(self, denoise: Denoiser, percentile: float | None) -> None:
        check_percentile(percentile)
        super().__init__(denoise)
        self.percentile = percentile

    def changed(self, prediction: Prediction, level: NoiseLevel) -> Prediction:
        x, variance = prediction
        if self.percentile is None:
            return Prediction(clip_statically(x), variance)
        return Prediction(clip_dynamically(x, self.percentile), variance)


def thresholded(denoise: Denoiser, percentile: float | None = None) -> Denoiser:
    """The denoiser with its estimate clipped: statically, or at a percentile.

    Raises:
      InputError: a percentile outside (0, 100].
    """
    return Thresholded(denoise, percentile)
