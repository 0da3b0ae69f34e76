"""What a denoiser is conditioned on: labels, or rows of conditions, with parts null."""

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from pdm_tf.errors import InputError

if TYPE_CHECKING:
    from pdm_tf.denoisers.denoiser import Denoiser

_UNKNOWN = float("nan")


def as_labels(denoise: "Denoiser", labels: Any) -> tf.Tensor:
    """Labels as a denoiser takes them: int32 [B], or rows, float32 [B, n].

    Classes become rows of which no attribute is known; where a model has no classes,
    nothing is known then.

    Raises:
      InputError: rows for a model of classes, or of other columns.
    """
    conditions = denoise.conditions
    labels = tf.convert_to_tensor(labels)
    if conditions is None and labels.shape.rank != 2:
        return tf.cast(labels, tf.int32)
    size = 0 if conditions is None else conditions.size
    if labels.shape.rank == 2 and labels.shape[1] == size:
        return tf.cast(labels, tf.float32)
    if labels.shape.rank == 2 or conditions is None:
        raise InputError(
            f"rows of {labels.shape[-1]} conditions were given, the model has {size}"
        )
    labels, classes = tf.cast(labels, tf.int32)[:, None], conditions.num_classes
    rest = tf.fill([tf.shape(labels)[0], size - classes], _UNKNOWN)
    own = tf.cast(tf.equal(labels, tf.range(classes)), tf.float32)
    return tf.concat([tf.where(labels < classes, own, _UNKNOWN), rest], axis=1)


def null_labels(denoise: "Denoiser", count: tf.Tensor) -> tf.Tensor:
    """The labels of so many pictures of which nothing is known."""
    if denoise.conditions is None:
        return tf.fill([count], denoise.num_classes)
    return tf.fill([count, denoise.conditions.size], _UNKNOWN)


def without(denoise: "Denoiser", rows: tf.Tensor, name: str) -> tf.Tensor:
    """Rows of conditions, float32 [B, n], of which one is null.

    Args:
      denoise: what they are for.
      rows: its labels.
      name: of the condition, see `Conditions.parts`.
    """
    assert denoise.conditions is not None
    part = denoise.conditions.parts[name]
    column = tf.range(denoise.conditions.size)
    return tf.where((column >= part.start) & (column < part.stop), _UNKNOWN, rows)
