"""Rows of conditions -> what a network adds to its embeddings.

A row has a column for each class and one for each attribute, NaN for what is not known,
see `config.conditioning.Conditions`.
"""

from typing import Any

import keras
import tensorflow as tf

from pdm_tf.config.conditioning import Conditions
from pdm_tf.networks.vector_embedding import VectorEmbedding


def attribute_embedding(
    conditions: Conditions | None, width: int
) -> VectorEmbedding | None:
    """The embedding of a network's attributes; None where it has none."""
    if conditions is None or not conditions.attributes:
        return None
    return VectorEmbedding(2 * len(conditions.attributes), width, name="attributes")


def embed_conditions(
    network: Any, labels: tf.Tensor | None
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """The embeddings of classes and of attributes, [B, width] each, None without any.

    Args:
      network: with layers `classes`, the last of whose rows means: not known, and
        `attributes`, or None in their places; and with `conditions`, or None where
        labels are one class.
      labels: int32 [B], or rows of conditions, float32 [B, n].
    """
    classes, conditions = network.classes, network.conditions
    if conditions is None:
        return None if classes is None else classes(labels), None
    rows = tf.convert_to_tensor(labels)
    summed = None if classes is None else _summed(classes.embeddings, rows)
    if network.attributes is None:
        return summed, None
    return summed, network.attributes(attribute_vector(rows, conditions))


def _summed(embeddings: Any, rows: tf.Tensor) -> tf.Tensor:
    """The sum of the embeddings of a picture's classes."""
    table = keras.ops.convert_to_tensor(embeddings)
    given = rows[:, : table.shape[0] - 1]
    known = tf.reduce_all(tf.math.is_finite(given), axis=1, keepdims=True)
    summed = tf.matmul(tf.where(known, given, 0.0), table[:-1])
    return tf.where(known, summed, table[-1:])


def attribute_vector(rows: tf.Tensor, conditions: Conditions) -> tf.Tensor:
    """float32 [B, 2 n]: of each attribute whether it is known, and its value.

    A value is put from its range to [-1, 1]; both entries are 0 where it is not known,
    and a vector of zeros embeds to zeros: the null condition.
    """
    values = rows[:, conditions.num_classes :]
    low = tf.constant([one.low for one in conditions.attributes])
    high = tf.constant([one.high for one in conditions.attributes])
    known = tf.math.is_finite(values)
    scaled = 2.0 * (values - low) / (high - low) - 1.0
    return tf.concat([tf.cast(known, tf.float32), tf.where(known, scaled, 0.0)], axis=1)
