"""How far restored pictures are from those that were measured (arXiv 2403.17006)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.denoisers.objective import Loss


@dataclass(frozen=True, eq=False)
class Restoration:
    """The mean absolute error of what is restored of a picture's measurement.

    The terms are absolute, which is minimised, and square, the mean square error.

    Attributes:
      measure: pictures [B, H, W, C] -> measurements.
      restore: measurements -> pictures.
      variables: those that learn, by the names that a checkpoint keeps them under.
      sigma: standard deviation of the noise in measurements.
    """

    measure: Callable[[tf.Tensor], tf.Tensor]
    restore: Callable[[tf.Tensor], tf.Tensor]
    variables: Mapping[str, tf.Variable]
    sigma: float = 0.0
    terms: ClassVar = ("absolute", "square")
    buckets: ClassVar = 1

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> tf.Tensor:
        """Keys of the noise in each measurement, int32 [B, 2]."""
        return seeds.step_keys(seed, step, 0, batch_size)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor) -> Loss:
        """Losses of pictures x [B, H, W, C] in [-1, 1]."""
        y = self.measure(x)
        if self.sigma:
            y += self.sigma * seeds.normal(draws, tuple(y.shape[1:]))
        error = self.restore(y) - x
        axes = list(range(1, x.shape.rank))
        absolute = tf.reduce_mean(tf.abs(error), axes)
        square = tf.reduce_mean(tf.square(error), axes)
        terms = {"absolute": absolute, "square": square}
        return Loss(absolute, terms, tf.zeros_like(absolute, tf.int32))
