"""A denoiser whose network is computed outside the graph."""

from collections.abc import Callable
from copy import copy
from typing import Self

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser, Prediction
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule

Ask = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class CallbackDenoiser(Denoiser):
    """Asks a function of arrays, which another runtime may compute.

    Walks like every denoiser, on the machine where it was made; nothing of it can be
    exported. Without labels it speaks for the null label.

    Args:
      ask: (z float32 [B, H, W, C], t int32 [B], labels int32 [B]) -> estimate and
        variance, float32 [B, H, W, C].
      image_shape: H, W, C.
      num_classes: 0 for none.
      schedule: the schedule whose timesteps it understands.
    """

    def __init__(
        self,
        ask: Ask,
        image_shape: tuple[int, ...],
        num_classes: int,
        schedule: NoiseSchedule,
    ) -> None:
        self.image_shape, self.num_classes = image_shape, num_classes
        self.schedule, self.parts = schedule, {}
        self._ask = ask
        self._labels: tf.Tensor | None = None

    def conditioned(self, labels: tf.Tensor) -> Self:
        if not self.num_classes:
            super().conditioned(labels)
        made = copy(self)
        made._labels = tf.convert_to_tensor(labels, tf.int32)
        return made

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        count = tf.shape(z)[:1]
        labels = self._labels
        if labels is None:
            labels = tf.fill(count, self.num_classes)
        asked = [z, tf.broadcast_to(level.t, count), labels]
        told = tf.numpy_function(self._ask, asked, [tf.float32, tf.float32])
        return Prediction(*(tf.ensure_shape(denoised, z.shape) for denoised in told))
