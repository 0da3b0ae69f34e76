"""Classifier-free guidance with dynamic thresholding (section 4.2)."""

import math

import tensorflow as tf

from pdm_tf.config import InputError, SamplingConfig
from pdm_tf.denoisers.damped import damped
from pdm_tf.denoisers.denoiser import Denoiser, Prediction, Wrapper
from pdm_tf.denoisers.threshold import (
    check_percentile,
    clip_dynamically,
    thresholded,
)
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.errors import SettingError


class Guided(Wrapper):
    """w·conditional - (w - 1)·unconditional, in x (arXiv 2207.12598)."""

    def __init__(
        self,
        denoise: Denoiser,
        labels: tf.Tensor,
        weight: float | tf.Tensor,
        threshold: float | None,
        interval: tuple[float, float] | None,
    ) -> None:
        check_percentile(threshold)
        if not denoise.num_classes:
            raise InputError("guidance needs labels, but the model has no classes")
        check_interval(interval or ())
        super().__init__(denoise)
        self.threshold, self.weight, self.interval = threshold, weight, interval
        self.labels = tf.convert_to_tensor(labels, tf.int32)

    def conditioned(self, labels: tf.Tensor | None = None) -> Denoiser:
        """Guided towards other labels; without labels there is nothing to guide to."""
        if labels is None:
            return self.denoise.conditioned()
        made = self.wrapping(self.denoise)
        made.labels = tf.convert_to_tensor(labels, tf.int32)
        return made

    def init_carry(self, z: tf.Tensor) -> tuple:
        """Two: of the conditional and of the unconditional half."""
        return self.denoise.init_carry(z), self.denoise.init_carry(z)

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: tuple
    ) -> tuple[Prediction, tuple]:
        needed = self._needed(level)
        if isinstance(needed, bool):
            half = self._both if needed else self._conditional
            return half(z, level, carry)
        return tf.cond(
            needed,
            lambda: self._both(z, level, carry),
            lambda: self._conditional(z, level, carry),
        )

    def _needed(self, level: NoiseLevel) -> bool | tf.Tensor:
        """Whether the unconditional half matters here: weight 1 costs one call."""
        needed = self.weight != 1.0
        if self.interval is None or needed is False:
            return needed
        low, high = self.interval
        below = level.log_snr <= math.log(high)
        inside = below if low == 0 else below & (level.log_snr > math.log(low))
        return tf.reduce_all(inside) & needed

    def _conditional(
        self, z: tf.Tensor, level: NoiseLevel, carry: tuple
    ) -> tuple[Prediction, tuple]:
        own, null = carry
        prediction, own = self.denoise.conditioned(self.labels).predict(z, level, own)
        return prediction, (own, null)

    def _both(
        self, z: tf.Tensor, level: NoiseLevel, carry: tuple
    ) -> tuple[Prediction, tuple]:
        null = tf.fill(tf.shape(self.labels), self.num_classes)
        both = self.denoise.conditioned(tf.concat([self.labels, null], 0))
        joined = tf.nest.map_structure(lambda *rows: tf.concat(rows, 0), *carry)
        prediction, joined = both.predict(tf.concat([z, z], 0), _twice(level), joined)
        conditional, unconditional = tf.split(prediction.x, 2)
        x = self.weight * conditional - (self.weight - 1.0) * unconditional
        if self.threshold is not None:
            x = clip_dynamically(x, self.threshold)
        carry = tuple(
            tf.nest.map_structure(lambda rows, h=half: tf.split(rows, 2)[h], joined)
            for half in (0, 1)
        )
        return Prediction(x, tf.split(prediction.variance, 2)[0]), carry


def _twice(level: NoiseLevel) -> NoiseLevel:
    if level.log_snr.shape.rank == 0:
        return level
    return NoiseLevel(*(tf.concat([value, value], 0) for value in level))


def guided(
    denoise: Denoiser,
    labels: tf.Tensor,
    weight: float | tf.Tensor = 1.5,
    threshold: float | None = 99.5,
    interval: tuple[float, float] | None = None,
) -> Denoiser:
    """The denoiser, guided towards its labels.

    Both halves are one batched call. The variance is the conditional half's. At
    weight 1 it is the conditional denoiser, at the cost of one evaluation.

    Args:
      denoise: a denoiser that can be conditioned on labels.
      labels: classes, int32 [B].
      weight: w; 1 is no guidance. A float32 tensor [] leaves it open in a graph.
      threshold: percentile of |x| for dynamic thresholding, or None.
      interval: range of SNR (low, high] in which to guide (arXiv 2404.07724); None
        guides everywhere. Levels of a batch count together.

    Raises:
      InputError: no classes, or a percentile outside (0, 100].
    """
    return Guided(denoise, labels, weight, threshold, interval)


def for_sampling(
    denoise: Denoiser,
    labels: tf.Tensor,
    weight: float | tf.Tensor,
    sampling: SamplingConfig,
) -> Denoiser:
    """The denoiser as a run samples with it: guided where it has classes, damped,
    thresholded.

    One that guides by itself is not guided again, whatever the weight.

    Args:
      denoise: a trained denoiser.
      labels: classes, int32 [B]; not looked at without classes.
      weight: w, see `guided`.
      sampling: thresholding, percentile, guidance interval and floor of velocities.

    Raises:
      InputError: a percentile or an interval that makes no sense.
    """
    if denoise.distilled_guidance is not None:
        weight = 1.0
    if denoise.num_classes:
        dynamic = sampling.thresholding == "dynamic"
        threshold = sampling.percentile if dynamic else None
        interval = check_interval(sampling.guidance_interval)
        denoise = guided(denoise, labels, weight, threshold, interval)
    denoise = damped(denoise, sampling.velocity_floor)
    return thresholded(denoise) if sampling.thresholding == "static" else denoise


def check_interval(interval: tuple[float, ...]) -> tuple[float, float] | None:
    """Low and high end of a guidance interval, None for an empty one, or InputError."""
    if not interval:
        return None
    if len(interval) != 2 or not 0 <= interval[0] < interval[1]:
        raise SettingError(
            "guidance_interval", interval, "give two numbers, low,high, as SNR"
        )
    return interval[0], interval[1]
