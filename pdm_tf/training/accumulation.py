"""A batch taken in parts, where all of it needs too much memory at once."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Differentiate = Callable[..., tuple[Any, list[tf.Tensor]]]


def accumulated(
    differentiate: Differentiate,
    batch: tuple[Any, ...],
    count: int,
    variables: Sequence[tf.Variable],
    dtypes: Any,
) -> tuple[Any, list[tf.Tensor]]:
    """Losses [B] and gradients of a batch, in `count` equal parts one after another.

    Args:
      differentiate: parts of the batch -> (losses, gradients), the gradients those of
        a sum over examples.
      batch: nest of tensors [B, …].
      count: number of parts; divides B.
      variables: whose gradients they are.
      dtypes: of the losses, in their nest.
    """
    if count == 1:
        return differentiate(*batch)
    parts = tf.nest.map_structure(
        lambda x: tf.reshape(x, [count, x.shape[0] // count, *x.shape[1:]]), batch
    )

    def one(i: tf.Tensor, losses: list, sums: list) -> tuple:
        part = tf.nest.map_structure(lambda x: x[i], parts)
        seen, gradients = differentiate(*part)
        rows = zip(losses, tf.nest.flatten(seen), strict=True)
        losses = [array.write(i, row) for array, row in rows]
        return i + 1, losses, [a + g for a, g in zip(sums, gradients, strict=True)]

    rows = tf.nest.flatten(parts)[0].shape[1]
    arrays = [
        tf.TensorArray(dtype, size=count, element_shape=[rows])
        for dtype in tf.nest.flatten(dtypes)
    ]
    start = (tf.constant(0), arrays, [tf.zeros(v.shape, v.dtype) for v in variables])
    # One at a time, or all of them would be in memory after all.
    _, arrays, sums = tf.while_loop(
        lambda i, *_: i < count, one, start, parallel_iterations=1
    )
    losses = [tf.reshape(array.stack(), [count * rows]) for array in arrays]
    return tf.nest.pack_sequence_as(dtypes, losses), sums
