"""What a denoiser is, and the one that asks a network."""

from abc import ABC, abstractmethod
from copy import copy
from typing import Any, NamedTuple, Self

import keras
import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule
from pdm_tf.diffusion.gaussian import x_from_output
from pdm_tf.networks.constant_weights import with_constant_weights


class Prediction(NamedTuple):
    """An estimate about the clean picture."""

    x: tf.Tensor  # float32 [B, H, W, C]; eps and v follow from it
    variance: tf.Tensor  # float32 [B, H, W, C] in [0, 1]: 0 -> beta, 1 -> beta-tilde


class Denoiser(ABC):
    """Maps noisy pictures and their level to an estimate about the clean ones.

    Attributes:
      image_shape: height, width and channels.
      num_classes: number of classes it can be told; 0 for none.
      schedule: the schedule whose timesteps it understands.
      parts: the networks it asks, by name; what an export must hold.
    """

    image_shape: tuple[int, ...]
    num_classes: int
    schedule: NoiseSchedule
    parts: dict[str, keras.Model]

    @abstractmethod
    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        """The estimate about z, float32 [B, H, W, C], at a level [] or [B]."""

    def init_carry(self, z: tf.Tensor) -> Any:
        """What to remember before the first step of a trajectory from z; most: nothing.

        Returns:
          A nest of tensors, each with one row for each picture of z. Shapes and types
          stay through a trajectory.
        """
        return ()

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Any
    ) -> tuple[Prediction, Any]:
        """The estimate about z, and the memory to be handed to the next call."""
        return self(z, level), carry

    def conditioned(self, labels: tf.Tensor) -> "Denoiser":
        """The same denoiser, told the classes int32 [B]; num_classes means none.

        Raises:
          InputError: it knows no classes.
        """
        raise InputError("labels were given, but the model has no classes")

    def with_constant_weights(self) -> "Denoiser":
        """The same denoiser for serving: nothing in it can be trained any more."""
        return self


class StatefulDenoiser(Denoiser):
    """Carries tensors from step to step, or is made of denoisers that may.

    Whoever walks owns the memory, so that a denoiser can be shared. Called without a
    memory it starts afresh.
    """

    @abstractmethod
    def init_carry(self, z: tf.Tensor) -> Any: ...

    @abstractmethod
    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Any
    ) -> tuple[Prediction, Any]: ...

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        return self.predict(z, level, self.init_carry(z))[0]


class NetworkDenoiser(Denoiser):
    """Asks a network, which never learns what x, eps, v or a noise level are.

    What leaves it is float32, whatever the network computes in. Without labels it
    speaks for the null label.

    Args:
      network: (z, t, labels) -> (output, variance), with a `config`.
      schedule: the schedule that it was trained with.
      prediction: what its output means: x, eps or v.
      labels: classes, int32 [B], or None.
      apart: keep the network a function of its own, so that its numbers do not depend
        on what surrounds it; without this a training step is a few per cent faster.
    """

    def __init__(
        self,
        network: keras.Model,
        schedule: NoiseSchedule,
        prediction: str = "x",
        labels: tf.Tensor | None = None,
        apart: bool = True,
    ) -> None:
        self.network, self.schedule = network, schedule
        self.prediction, self.labels = prediction, labels
        self.image_shape = tuple(network.config.image_shape)
        self.num_classes = network.config.num_classes
        self.parts = {"network": network}
        # As a function of its own the network is optimised by itself: in a split or
        # under guidance it then gives the same bits as alone.
        self._ask = network
        if apart:
            settings = {"_noinline": True}
            self._ask = tf.function(
                network, autograph=False, experimental_attributes=settings
            )

    def conditioned(self, labels: tf.Tensor) -> Self:
        if not self.num_classes:
            super().conditioned(labels)
        made = copy(self)
        made.labels = tf.convert_to_tensor(labels, tf.int32)
        return made

    def with_constant_weights(self) -> Self:
        """The same denoiser, its weights constants of the graph."""
        made = copy(self)
        made._ask, made.parts = with_constant_weights(self.network), {}
        return made

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        t = tf.reshape(level.t, [-1])  # [1] when all pictures share one level
        output, variance = self._ask(z, t, self._labels_for(z))
        level = level.per_pixel()
        return Prediction(
            x_from_output(self.prediction, z, tf.cast(output, tf.float32), level),
            tf.cast(variance, tf.float32),
        )

    def _labels_for(self, z: tf.Tensor) -> tf.Tensor | None:
        if not self.num_classes:
            return None
        if self.labels is None:
            return tf.fill([tf.shape(z)[0]], self.num_classes)
        return self.labels
