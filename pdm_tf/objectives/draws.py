"""The random numbers of a training step, functions of (seed, step) alone."""

from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.denoisers.conditioning import as_labels
from pdm_tf.denoisers.denoiser import Denoiser

_UNKNOWN = float("nan")
_EACH = 0x65616368  # "each", apart from the streams of noise and order


class Draws(NamedTuple):
    """The random numbers of a batch, one row an example."""

    keys: tf.Tensor  # int32 [B, 2], of the noise
    u: tf.Tensor  # float32 [B] in [0, 1): which timestep
    drop: tf.Tensor  # float32 [B] in [0, 1): whether the label is dropped
    each: tf.Tensor | tuple = ()  # float32 [B, n] likewise: each condition by itself
    weight: tf.Tensor | tuple = ()  # float32 [B], of the loss; nothing: 1
    guidance: tf.Tensor | tuple = ()  # float32 [B]: w, where a student takes it


def draw(
    seed: int,
    step: tf.Tensor,
    batch_size: int,
    stratified: bool = True,
    conditions: int = 0,
) -> Draws:
    """Draws for a whole global batch.

    Timesteps are spread evenly over the batch from a common random start, which
    lowers the variance of the loss (arXiv 2107.00630, appendix I.1); not stratified,
    each is drawn alone. Numbers for that many conditions are drawn beside.
    """
    keys = seeds.step_keys(seed, step, 0, batch_size)
    others = seeds.step_keys(seed, step, 1, 1)
    start = seeds.uniform(others)
    u = (start + tf.range(batch_size, dtype=tf.float32) / batch_size) % 1.0
    if not stratified:
        u = seeds.uniform(seeds.step_keys(seed, step, 3, batch_size))
    drop = seeds.uniform(seeds.step_keys(seed, step, 2, batch_size))
    if not conditions:
        return Draws(keys, u, drop)
    each = seeds.step_uniform(seed, step, _EACH, batch_size, conditions)
    return Draws(keys, u, drop, each)


def drop_labels(
    labels: tf.Tensor, drop: tf.Tensor, share: float, null: int
) -> tf.Tensor:
    """Labels int32 [B], a share of them replaced by the null label (2207.12598).

    Of rows of conditions, float32 [B, n], all are dropped together.
    """
    if labels.shape.rank == 2:
        return tf.where(drop[:, None] < share, _UNKNOWN, labels)
    return tf.where(drop < share, null, labels)


def kept_labels(
    denoise: Denoiser, labels: tf.Tensor, drop: tf.Tensor, share: float
) -> tf.Tensor:
    """Labels as a denoiser takes them, see `as_labels`, a share of them null.

    They stay as they are where it takes none.
    """
    if not denoise.takes_conditions:
        return labels
    given = as_labels(denoise, labels)
    return drop_labels(given, drop, share, denoise.num_classes)


def drop_each(
    rows: tf.Tensor, draws: tf.Tensor, share: float, parts: Iterable[slice]
) -> tf.Tensor:
    """Rows of conditions, float32 [B, n], a share of each of which is not known.

    Args:
      rows: see `config.conditioning.Conditions`.
      draws: float32 [B, parts] in [0, 1).
      share: of pictures that lose a condition, each condition by itself.
      parts: the columns of each condition.
    """
    left = [
        tf.where(draws[:, i, None] < share, _UNKNOWN, rows[:, part])
        for i, part in enumerate(parts)
    ]
    return tf.concat(left, axis=1)
