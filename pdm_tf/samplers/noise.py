"""Where a trajectory's noise comes from: one seed a picture, or a recording."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import tensorflow as tf

from pdm_tf import seeds as noises

Seeds: TypeAlias = tf.Tensor | Sequence[int]


@runtime_checkable
class NoiseSource(Protocol):
    """Noises of a trajectory: stream 0 is its start, stream i + 1 that of step i."""

    def __call__(self, i: tf.Tensor | int) -> tf.Tensor:
        """eps of stream i (int32 []): float32 [N, H, W, C]."""


class SeededNoise:
    """Streams of one seed for each picture: the same in whatever batch it is.

    Args:
      seeds: int32 [N].
      image_shape: H, W, C.
    """

    def __init__(self, seeds: Seeds, image_shape: tuple[int, ...]) -> None:
        self.seeds, self.image_shape = as_seeds(seeds), tuple(image_shape)

    def __call__(self, i: tf.Tensor | int) -> tf.Tensor:
        return noises.normal(noises.keys(self.seeds, i), self.image_shape)


class RecordedNoise:
    """Noises that are known already, such as those that an inversion found.

    Args:
      eps: float32 [S, N, H, W, C], by stream; later streams repeat the last.
    """

    def __init__(self, eps: tf.Tensor) -> None:
        self.eps = tf.convert_to_tensor(eps, tf.float32)

    def __call__(self, i: tf.Tensor | int) -> tf.Tensor:
        return tf.gather(self.eps, tf.minimum(i, tf.shape(self.eps)[0] - 1))


def as_seeds(seeds: Seeds) -> tf.Tensor:
    """Seeds as int32 [N]."""
    seeds = tf.convert_to_tensor(list(seeds) if isinstance(seeds, range) else seeds)
    return tf.cast(seeds, tf.int32)
