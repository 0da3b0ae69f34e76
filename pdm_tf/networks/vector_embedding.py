"""Conditions that are numbers: a vector, which says nothing where it is 0."""

from typing import Any

import keras
import tensorflow as tf

from pdm_tf.networks.layers import dense

AUGMENTATION_SIZE = 9  # entries of the vector that tells of augmentation


class VectorEmbedding(keras.layers.Layer):
    """float32 [B, n] -> [B, width], which is added to the embedding of time.

    Two projections without biases, so that zeros give zeros: a network that is given
    the vector 0 computes the bits that it does without any vector (EDM's map_augment,
    arXiv 2206.00364, is the first of them).

    Args:
      size: entries n of a vector.
      width: of the embedding.
    """

    def __init__(self, size: int, width: int, **settings: Any) -> None:
        super().__init__(**{"dtype": "float32", "autocast": False, **settings})
        self.size, self.width = size, width
        own: dict[str, Any] = {"use_bias": False, "dtype": "float32"}
        self.first = dense(width, name="first", **own)
        self.second = dense(width, name="second", **own)

    def build(self, input_shape: Any = None) -> None:
        self.first.build((None, self.size))
        self.second.build((None, self.width))
        self.built = True

    def call(self, vector: tf.Tensor) -> tf.Tensor:
        return self.second(tf.nn.silu(self.first(vector)))
