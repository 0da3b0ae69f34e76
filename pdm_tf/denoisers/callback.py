"""A denoiser whose network is computed outside the graph."""

from collections.abc import Callable
from copy import copy
from typing import Self

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.conditioning import as_labels, null_labels
from pdm_tf.denoisers.denoiser import Denoiser, Prediction
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule

Evaluate = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class CallbackDenoiser(Denoiser):
    """Evaluates a function of arrays, which another runtime may compute.

    Samples like every denoiser, on the machine where it was made; nothing of it can be
    exported. Without labels it is conditioned on the null label.

    Args:
      evaluate: (z float32 [B, H, W, C], t int32 [B], labels int32 [B]) -> estimate and
        variance, float32 [B, H, W, C]. Of a linear process t is a time, float32, and z
        at the scale at which the network was trained.
      image_shape: H, W, C.
      num_classes: 0 for none.
      schedule: the schedule whose timesteps it understands.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        image_shape: tuple[int, ...],
        num_classes: int,
        schedule: NoiseSchedule,
    ) -> None:
        self.image_shape, self.num_classes = image_shape, num_classes
        self.schedule, self._evaluate = schedule, evaluate
        self.labels: tf.Tensor | None = None

    def conditioned(self, labels: tf.Tensor | None = None) -> Self:
        if not self.takes_conditions:
            super().conditioned(labels)
        made = copy(self)
        made.labels = None if labels is None else as_labels(self, labels)
        return made

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        count = tf.shape(z)[:1]
        labels = null_labels(self, 1) if self.labels is None else self.labels
        each = tf.concat([count, tf.shape(labels)[1:]], 0)
        labels = tf.broadcast_to(labels, each)  # one counts for all pictures
        t = self.schedule.time(level) if self.schedule.continuous else level.t
        z = self.schedule.as_trained(z, level)
        given = [z, tf.broadcast_to(t, count), labels]
        found = tf.numpy_function(self._evaluate, given, [tf.float32, tf.float32])
        return Prediction(*(tf.ensure_shape(denoised, z.shape) for denoised in found))
