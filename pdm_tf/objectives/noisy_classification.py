"""A classifier learns the classes of noisy pictures (arXiv 2105.05233, section 4.1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.data.images import to_float
from pdm_tf.denoisers.classifier_guidance import time_of
from pdm_tf.denoisers.objective import Loss
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.diffusion.gaussian import noised


class ClassDraws(NamedTuple):
    """The random numbers of a batch, one row an example."""

    keys: tf.Tensor  # int32 [B, 2], of the noise
    u: tf.Tensor  # float32 [B] in [0, 1): which level
    row: tf.Tensor  # float32 [B] in [0, 1): which picture


@dataclass(frozen=True, eq=False)
class NoisyClassification:
    """Cross-entropy of the classes of noised pictures, all levels alike.

    Attributes:
      logits: what learns: (z, time) -> [B, K].
      variables: those that learn, by the names that a checkpoint keeps them under.
      schedule: of the noise.
      pictures: uint8 [N, H, W, C], instead of those that it is given; None: these.
      classes: int32 [N], in 0 … K - 1, of pictures; None: the labels given.
    """

    logits: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    variables: Mapping[str, tf.Variable]
    schedule: NoiseSchedule
    pictures: np.ndarray | None = None
    classes: np.ndarray | None = None
    terms: ClassVar = ("entropy",)
    buckets: ClassVar = 4  # quartiles of the timesteps

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> ClassDraws:
        """Pictures, levels and noise of a batch; levels are spread evenly over it."""
        keys = seeds.step_keys(seed, step, 0, batch_size)
        start = seeds.uniform(seeds.step_keys(seed, step, 1, 1))
        u = (start + tf.range(batch_size, dtype=tf.float32) / batch_size) % 1.0
        row = seeds.uniform(seeds.step_keys(seed, step, 2, batch_size))
        return ClassDraws(keys, u, row)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: ClassDraws) -> Loss:
        """Losses of x [B, H, W, C]; of pictures of its own, x is not looked at."""
        given, classes = self._chosen(x, labels, draws.row)
        shape = tuple(x.shape[1:])
        t = tf.cast(draws.u * float(self.schedule.timesteps), tf.int32)
        level = self.schedule.level(tf.minimum(t, self.schedule.timesteps - 1))
        z = noised(given, seeds.normal(draws.keys, shape), level.per_pixel())
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
            classes, self.logits(z, time_of(level))
        )
        bucket = level.t * self.buckets // self.schedule.timesteps
        return Loss(entropy, {"entropy": entropy}, bucket)

    def _chosen(
        self, x: tf.Tensor, labels: tf.Tensor, u: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Pictures and classes that are learnt from."""
        if self.pictures is None:
            return x, labels
        count = len(self.pictures)
        row = tf.minimum(tf.cast(u * float(count), tf.int32), count - 1)
        given = to_float(tf.gather(tf.constant(self.pictures), row))
        return given, tf.gather(tf.constant(self.classes), row)
