"""What a teacher is sampled with, as a target: guided, thresholded, no gradient."""

import math

import tensorflow as tf

from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers.conditioning import null_labels
from pdm_tf.denoisers.denoiser import Denoiser, Prediction
from pdm_tf.denoisers.guidance import check_interval
from pdm_tf.denoisers.threshold import clip_dynamically, clip_statically
from pdm_tf.diffusion import NoiseLevel


def guided_target(
    teacher: Denoiser,
    z: tf.Tensor,
    labels: tf.Tensor,
    level: NoiseLevel,
    guidance: float | tf.Tensor,
    sampling: SamplingConfig,
) -> Prediction:
    """w·D(z, t, y) - (w - 1)·D(z, t, null), as the run has it; no gradient.

    The run's guidance interval and dynamic thresholding are in it; levels of a batch
    are judged each for itself. Static clipping is not: see `visible_error`.

    Args:
      teacher: D, unconditional; takes labels unless w is 1.
      z: float32 [B, H, W, C].
      labels: as the teacher takes them; the null label makes it D(z, t, null).
      level: levels [B].
      guidance: w; 1 is no guidance. A tensor [] is a w that the graph does not know.
      sampling: of the run.

    Returns:
      The guided estimate, and the variance of D(z, t, y).
    """
    unguided = not tf.is_tensor(guidance) and guidance == 1.0
    if not teacher.takes_conditions or unguided:
        plain = teacher.conditioned(labels) if teacher.takes_conditions else teacher
        return Prediction(*map(tf.stop_gradient, plain(z, level)))
    null = null_labels(teacher, tf.shape(labels)[0])
    both = teacher.conditioned(tf.concat([labels, null], 0))
    twice = NoiseLevel(*(tf.concat([value, value], 0) for value in level))
    prediction = both(tf.concat([z, z], 0), twice)
    conditional, unconditional = tf.split(prediction.x, 2)
    x = guidance * conditional - (guidance - 1.0) * unconditional
    if sampling.thresholding == "dynamic":
        x = clip_dynamically(x, sampling.percentile)
    x = tf.where(_inside(level, sampling), x, conditional)
    variance = tf.split(prediction.variance, 2)[0]
    return Prediction(tf.stop_gradient(x), tf.stop_gradient(variance))


def _inside(level: NoiseLevel, sampling: SamplingConfig) -> tf.Tensor:
    """Whether the run guides at levels [B], bool [B, 1, 1, 1]."""
    low, high = check_interval(sampling.guidance_interval) or (0.0, math.inf)
    inside = level.log_snr <= (math.log(high) if high < math.inf else math.inf)
    if low:
        inside &= level.log_snr > math.log(low)
    return inside[:, None, None, None]


def clipped(x: tf.Tensor, sampling: SamplingConfig) -> tf.Tensor:
    """An estimate as a student's is sampled: static clipping comes after it."""
    return clip_statically(x) if sampling.thresholding == "static" else x


def visible_error(
    own: tf.Tensor,
    target: tf.Tensor,
    sampling: SamplingConfig,
    rounding: float = 0.0,
) -> tf.Tensor:
    """A student's error; none where static clipping would hide it.

    Args:
      own: the student's estimate.
      target: what it should be.
      sampling: of the run.
      rounding: by how much a target at the end of the range may be off.
    """
    if sampling.thresholding != "static":
        return own - target
    target = clip_statically(target)
    hidden = tf.abs(clip_statically(own) - target) <= rounding
    return tf.where(hidden, 0.0, own - target)


def mean_square(error: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] -> [B]."""
    return tf.reduce_mean(tf.square(error), axis=[1, 2, 3])
