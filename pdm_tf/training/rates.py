"""The learning rate: a rise, then what may follow; a function of the step alone."""

import math
from collections.abc import Callable

import tensorflow as tf

from pdm_tf.config import LearningConfig, TrainingConfig

Factor = Callable[[tf.Tensor], tf.Tensor]  # finished steps, float32 [] -> share []


def constant(step: tf.Tensor) -> tf.Tensor:
    """No decay at all."""
    return tf.ones_like(step)


def cosine(first: int, last: int, end: float) -> Factor:
    """From 1 to `end` along half a cosine (arXiv 1608.03983, equation 5).

    Args:
      first: finished steps up to which it is 1.
      last: those from which on it is `end`.
      end: what it ends with.
    """
    done = _share_done(first, last)
    return lambda step: end + (1 - end) * (1 + tf.cos(math.pi * done(step))) / 2


def linear(first: int, last: int, end: float) -> Factor:
    """From 1 to `end` in a straight line; see `cosine`."""
    done = _share_done(first, last)
    return lambda step: 1 - (1 - end) * done(step)


def inverse_sqrt(reference: int) -> Factor:
    """1 up to a step, then as the inverse square root (EDM2, arXiv 2312.02696)."""
    return lambda step: tf.math.rsqrt(tf.maximum(step / reference, 1.0))


def _share_done(first: int, last: int) -> Factor:
    length = max(last - first, 1)
    return lambda step: tf.clip_by_value((step - first) / length, 0.0, 1.0)


class LearningRate:
    """A rate that rises linearly over the first steps, and then decays or stays.

    Args:
      peak: the rate at the end of the rise.
      warmup: steps of the rise.
      factor: finished steps -> share of it.
    """

    def __init__(self, peak: float, warmup: int, factor: Factor = constant) -> None:
        self.peak, self.warmup, self.factor = peak, warmup, factor

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Rate of the step that follows `step` finished ones, float32 []."""
        risen = tf.cast(step + 1, tf.float32) / max(self.warmup, 1)
        return (
            self.peak * tf.minimum(risen, 1.0) * self.factor(tf.cast(step, tf.float32))
        )


def open_rate(training: TrainingConfig, learning: LearningConfig) -> LearningRate:
    """The learning rate of a training, as its settings say."""
    first, last = training.warmup, training.iterations
    reference = learning.rate_reference or max(last // 10, 1)
    factors = {
        "constant": constant,
        "cosine": cosine(first, last, learning.rate_end),
        "linear": linear(first, last, learning.rate_end),
        "inverse_sqrt": inverse_sqrt(reference),
    }
    return LearningRate(training.learning_rate, first, factors[learning.rate_decay])
