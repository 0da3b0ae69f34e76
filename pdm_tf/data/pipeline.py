"""Pictures in order: endless batches to train on, or once through.

The batch of a step is a pure function of (seed, step), so that a run resumes at any
step at once, and one that was stopped goes on as if it had not been.
"""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.data.augmentation import PlainAugmentation, mirrored
from pdm_tf.data.reading import InMemory
from pdm_tf.data.sources import Source
from pdm_tf.data.stoppable_reader import StoppableReader
from pdm_tf.errors import SettingError

FLIP_STREAM = 0x666C6970  # "flip", apart from the streams of the training's noise
_FOREVER = 2**40  # steps
NONE = PlainAugmentation()

Batch = tuple[tf.Tensor, tf.Tensor]


def training_batches(
    source: Source,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    horizontal_flip: bool = False,
    shard: tuple[int, int] = (0, 1),
    augmentation: PlainAugmentation = NONE,
) -> tf.data.Dataset:
    """Endless batches; element s - start_step is a function of (seed, s) alone.

    Every epoch is a permutation of the source. Batches run across the ends of epochs
    and may be larger than the source.

    Args:
      source: where the pictures come from.
      batch_size: pictures of a step, over all shards together.
      seed: seed of order and flips.
      start_step: step s of the first element.
      horizontal_flip: mirror each example with probability 1/2, drawn afresh.
      shard: (index, count): this worker's contiguous share of every batch.
      augmentation: what else changes pictures, drawn afresh.

    Returns:
      Data set of (uint8 [batch_size/count, H, W, C], int32 [batch_size/count]); of rows
      of conditions float32 [batch_size/count, n] in the place of labels.

    Raises:
      InputError: a batch that is empty or cannot be shared equally.
    """
    index, count = shard
    if batch_size < 1 or batch_size % count:
        raise SettingError(
            "batch_size",
            batch_size,
            "must be a positive multiple of the number of workers; give "
            f"{max(1, round(batch_size / count)) * count}",
        )
    share = batch_size // count
    mine = slice(index * share, (index + 1) * share)
    gather = _gatherer(source, share)

    def batch(step: tf.Tensor) -> Batch:
        x, labels = gather(order(step, batch_size, len(source), seed)[mine])
        if horizontal_flip:
            x = flipped(x, seed, step, batch_size, mine)
        return augmentation(x, seed, step, batch_size, mine), labels

    dataset = tf.data.Dataset.range(start_step, _FOREVER)
    dataset = dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(_options())


def pictures_in_order(
    source: Source, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pictures once, in the order of the source; the last batch may be smaller.

    Yields:
      uint8 [B, H, W, C] and int32 [B].
    """
    for start in range(0, len(source), batch_size):
        yield source.read(np.arange(start, min(start + batch_size, len(source))))


def flipped(
    x: tf.Tensor, seed: int, step: tf.Tensor, batch_size: int, mine: slice
) -> tf.Tensor:
    """A worker's share of a step's pictures, each mirrored with probability 1/2."""
    key = seeds.step_keys(seed, step, FLIP_STREAM, batch_size)[mine]
    return mirrored(x, key[:, 0] < 0)  # one fair bit of the key


def order(step: tf.Tensor, batch_size: int, size: int, seed: int) -> tf.Tensor:
    """Indices of a step's examples, int64 [batch_size].

    Example i of all steps stands in epoch i // size; its position there is moved by a
    permutation drawn from (seed, epoch). Nothing is kept, so any step costs the same.
    """
    i = step * batch_size + tf.range(batch_size, dtype=tf.int64)
    positions, first = i % size, i[0] // size
    epochs = first + tf.range((batch_size - 2) // size + 2, dtype=tf.int64)

    def permuted(epoch: tf.Tensor) -> tf.Tensor:
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        return tf.random.experimental.index_shuffle(positions, key, size - 1)

    # The op takes one seed for all positions: each epoch within reach moves them all.
    orders = tf.map_fn(permuted, epochs)  # [epochs, batch_size]
    return tf.gather(tf.transpose(orders), i // size - first, batch_dims=1)


def _gatherer(source: Source, share: int) -> Callable[[tf.Tensor], Batch]:
    """indices int64 [share] -> a batch of static shape."""
    picture, label = source.read(np.zeros(1, np.int64))
    shape, rest = picture.shape[1:], label.shape[1:]
    if isinstance(source, InMemory):
        with tf.device("CPU:0"):  # beside the input pipeline, not on an accelerator
            pictures = tf.constant(source.pictures)
            labels = tf.constant(source.labels)
        return lambda indices: (
            tf.gather(pictures, indices),
            tf.gather(labels, indices),
        )

    reader = StoppableReader(source, shape, label)

    def read(indices: tf.Tensor) -> Batch:
        x, y = tf.numpy_function(reader, [indices], (tf.uint8, label.dtype))
        return tf.ensure_shape(x, [share, *shape]), tf.ensure_shape(y, [share, *rest])

    return read


def _options() -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    # Workers take their shards themselves; TensorFlow must not share out once more.
    policy = tf.data.experimental.AutoShardPolicy.OFF
    options.experimental_distribute.auto_shard_policy = policy
    return options
