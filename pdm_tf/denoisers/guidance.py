"""Guidance, classifier-free or by a worse model, with dynamic thresholding (4.2)."""

import math

import tensorflow as tf

from pdm_tf.config import InputError, SamplingConfig
from pdm_tf.config.sampling import check_guidance
from pdm_tf.denoisers.combination import LINEAR, Combination, Kept
from pdm_tf.denoisers.conditioning import as_labels, null_labels
from pdm_tf.denoisers.damped import damped
from pdm_tf.denoisers.denoiser import Denoiser, Prediction, Wrapper
from pdm_tf.denoisers.each_guidance import each_guided
from pdm_tf.denoisers.threshold import (
    check_percentile,
    clip_dynamically,
    thresholded,
)
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.errors import SettingError


class Guided(Wrapper):
    """w·conditional - (w - 1)·other, in x (arXiv 2207.12598).

    The other is the unconditional estimate, or that of the denoiser's guide.
    """

    def __init__(
        self,
        denoise: Denoiser,
        labels: tf.Tensor,
        weight: float | tf.Tensor,
        threshold: float | None,
        interval: tuple[float, float] | None,
        combine: Combination = LINEAR,
    ) -> None:
        check_percentile(threshold)
        if not denoise.takes_conditions and denoise.guide is None:
            raise InputError("guidance needs labels, but the model has no classes")
        check_interval(interval or ())
        super().__init__(denoise)
        self.threshold, self.weight, self.interval = threshold, weight, interval
        self.combine = combine
        self.labels = as_labels(denoise, labels)

    def conditioned(self, labels: tf.Tensor | None = None) -> Denoiser:
        """Guided towards other labels; without labels there is nothing to guide to."""
        if labels is None:
            return self.denoise.conditioned()
        made = self.wrapping(self.denoise)
        made.labels = as_labels(self, labels)
        return made

    def init_carry(self, z: tf.Tensor) -> tuple:
        """Three: of the conditional half, of the other, and of their combination."""
        other = self.denoise.guide or self.denoise
        halves = self.denoise.init_carry(z), other.init_carry(z)
        return *halves, self.combine.init(z)

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: tuple
    ) -> tuple[Prediction, tuple]:
        needed = self._needed(level)
        both = self._both if self.denoise.guide is None else self._beside_guide
        if isinstance(needed, bool):
            half = both if needed else self._conditional
            return half(z, level, carry)
        return tf.cond(
            needed,
            lambda: both(z, level, carry),
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
        own, *rest = carry
        prediction, own = self._asked(self.denoise).predict(z, level, own)
        return prediction, (own, *rest)

    def _asked(self, denoise: Denoiser) -> Denoiser:
        return denoise.conditioned(self.labels) if denoise.takes_conditions else denoise

    def _beside_guide(
        self, z: tf.Tensor, level: NoiseLevel, carry: tuple
    ) -> tuple[Prediction, tuple]:
        own, others, kept = carry
        prediction, own = self._asked(self.denoise).predict(z, level, own)
        other = self._asked(self.denoise.guide or self.denoise)
        guiding, others = other.predict(z, level, others)
        x, kept = self._combined(prediction.x, guiding.x, kept)
        return prediction._replace(x=x), (own, others, kept)

    def _combined(
        self, conditional: tf.Tensor, other: tf.Tensor, kept: Kept
    ) -> tuple[tf.Tensor, Kept]:
        x, kept = self.combine(conditional, other, self.weight, kept)
        if self.threshold is not None:
            x = clip_dynamically(x, self.threshold)
        return x, kept

    def _both(
        self, z: tf.Tensor, level: NoiseLevel, carry: tuple
    ) -> tuple[Prediction, tuple]:
        null = null_labels(self, tf.shape(self.labels)[0])
        both = self.denoise.conditioned(tf.concat([self.labels, null], 0))
        *halves, kept = carry
        joined = tf.nest.map_structure(lambda *rows: tf.concat(rows, 0), *halves)
        prediction, joined = both.predict(tf.concat([z, z], 0), _twice(level), joined)
        conditional, unconditional = tf.split(prediction.x, 2)
        x, kept = self._combined(conditional, unconditional, kept)
        parts = tuple(
            tf.nest.map_structure(lambda rows, h=half: tf.split(rows, 2)[h], joined)
            for half in (0, 1)
        )
        return Prediction(x, tf.split(prediction.variance, 2)[0]), (*parts, kept)


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
    combine: Combination = LINEAR,
) -> Denoiser:
    """The denoiser, guided towards its labels, or away from its guide.

    Both halves are one batched call, but for a guide's, which is one of its own. The
    variance is the conditional half's. At weight 1 it is the conditional denoiser, at
    the cost of one evaluation.

    Args:
      denoise: a denoiser that can be conditioned on labels, or that has a guide.
      labels: classes, int32 [B].
      weight: w; 1 is no guidance. A float32 tensor [] leaves it open in a graph.
      threshold: percentile of |x| for dynamic thresholding, or None.
      interval: range of SNR (low, high] in which to guide (arXiv 2404.07724); None
        guides everywhere. Levels of a batch count together.
      combine: how two estimates become one.

    Raises:
      InputError: no classes, or a percentile outside (0, 100].
    """
    return Guided(denoise, labels, weight, threshold, interval, combine)


def for_sampling(
    denoise: Denoiser,
    labels: tf.Tensor,
    weight: float | tf.Tensor,
    sampling: SamplingConfig,
) -> Denoiser:
    """The denoiser as a run samples with it: guided if it can be, damped, thresholded.

    One that guides by itself is not guided again, whatever the weight; one that takes w
    as an input is given it.

    Args:
      denoise: a trained denoiser.
      labels: classes, int32 [B], or rows of conditions; not looked at without any.
      weight: w, see `guided`.
      sampling: thresholding, percentile, guidance interval and floor of velocities.

    Raises:
      InputError: a percentile or an interval that makes no sense, or a number w that
        the denoiser does not take.
    """
    if denoise.guidance_range is not None:
        if not tf.is_tensor(weight):
            check_guidance(denoise.guidance_range, weight)
        denoise = denoise.at_guidance(weight)
    if denoise.distilled_guidance is not None:
        weight = 1.0
    denoise = each_guided(denoise, sampling.guidance_each)
    if denoise.takes_conditions or denoise.guide is not None:
        dynamic = sampling.thresholding == "dynamic"
        threshold = sampling.percentile if dynamic else None
        interval = check_interval(sampling.guidance_interval)
        combine = Combination.of(sampling)
        denoise = guided(denoise, labels, weight, threshold, interval, combine)
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
