"""The random numbers of a training step, functions of (seed, step) alone."""

from typing import NamedTuple

import tensorflow as tf

from pdm_tf import seeds


class Draws(NamedTuple):
    """The random numbers of a batch, one row an example."""

    keys: tf.Tensor  # int32 [B, 2], of the noise
    u: tf.Tensor  # float32 [B] in [0, 1): which timestep
    drop: tf.Tensor  # float32 [B] in [0, 1): whether the label is dropped


def draw(seed: int, step: tf.Tensor, batch_size: int, stratified: bool = True) -> Draws:
    """Draws for a whole global batch.

    Timesteps are spread evenly over the batch from a common random start, which
    lowers the variance of the loss (arXiv 2107.00630, appendix I.1); not stratified,
    each is drawn alone.
    """
    keys = seeds.step_keys(seed, step, 0, batch_size)
    others = seeds.step_keys(seed, step, 1, 1)
    start = seeds.uniform(others)
    u = (start + tf.range(batch_size, dtype=tf.float32) / batch_size) % 1.0
    if not stratified:
        u = seeds.uniform(seeds.step_keys(seed, step, 3, batch_size))
    drop = seeds.uniform(seeds.step_keys(seed, step, 2, batch_size))
    return Draws(keys, u, drop)


def drop_labels(
    labels: tf.Tensor, drop: tf.Tensor, share: float, null: int
) -> tf.Tensor:
    """Labels int32 [B], a share of them replaced by the null label (2207.12598)."""
    return tf.where(drop < share, null, labels)
