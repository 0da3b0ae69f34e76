"""Each replica's shard of a batch."""

from collections.abc import Callable, Iterator

import tensorflow as tf

from pdm_tf.errors import SettingError


def check_batch_sharding(replicas: int, batch_size: int, microbatch: int) -> None:
    """Raises SettingError for a batch that replicas cannot share equally."""
    if batch_size % replicas:
        raise SettingError(
            "batch_size",
            batch_size,
            f"must be a multiple of the {replicas} devices; give "
            f"{max(round(batch_size / replicas), 1) * replicas}",
        )
    local = batch_size // replicas
    if microbatch < 0 or (microbatch and local % microbatch):
        raise SettingError(
            "microbatch",
            microbatch,
            f"must divide the {local} pictures of each device; 0 takes them all at "
            "once",
        )


def distributed(
    strategy: tf.distribute.Strategy,
    shard_of: Callable[[tuple[int, int]], tf.data.Dataset],
) -> Iterator:
    """Batches for `Trainer.run_steps`: each replica's shard, in order of replicas.

    Args:
      strategy: where replicas live.
      shard_of: (index, count) of a worker -> its contiguous shard of every batch.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return iter(shard_of((0, 1)))

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        here = replicas // context.num_input_pipelines
        data = shard_of((context.input_pipeline_id, context.num_input_pipelines))
        if here > 1:
            data = data.flat_map(lambda *batch: _parted(batch, here))
        # Endless: otherwise workers would ask each other before every batch.
        endless = tf.data.experimental.assert_cardinality(
            tf.data.experimental.INFINITE_CARDINALITY
        )
        return data.apply(endless).prefetch(2 * here)

    return iter(strategy.distribute_datasets_from_function(of_worker))


def _parted(batch: tuple[tf.Tensor, ...], parts: int) -> tf.data.Dataset:
    """The parts of a batch [B, …], one after another, each [B / parts, …]."""
    return tf.data.Dataset.from_tensor_slices(
        tuple(
            tf.reshape(part, [parts, part.shape[0] // parts, *part.shape[1:]])
            for part in batch
        )
    )
