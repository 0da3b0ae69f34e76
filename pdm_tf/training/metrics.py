"""What is measured of training steps, and how measurements are summed."""

from typing import NamedTuple

import tensorflow as tf

from pdm_tf.denoisers.objective import Objective


class Metrics(NamedTuple):
    """Sums over the steps of one call; divide by `steps` or by the counts."""

    steps: tf.Tensor
    terms: dict[str, tf.Tensor]  # of the loss, by name
    gradient_norm: tf.Tensor
    bucket_loss: tf.Tensor  # [buckets], least noise first; of the first term
    bucket_count: tf.Tensor  # [buckets]
    bad_steps: tf.Tensor  # steps with a loss or gradients that were not finite
    bad_buckets: tf.Tensor  # [buckets], examples of the first of them by bucket
    bad_variable: tf.Tensor  # its first variable so, counted from 1; 0: none
    skipped_steps: tf.Tensor  # steps whose gradients were not finite, alarming or not


def no_metrics(objective: Objective) -> Metrics:
    """Zeros of every metric."""
    zero, zeros = tf.zeros([]), tf.zeros([objective.buckets])
    terms = dict.fromkeys(objective.terms, zero)
    return Metrics(zero, terms, zero, zeros, zeros, zero, zeros, zero, zero)


def added(total: Metrics, seen: Metrics) -> Metrics:
    """Sums of metrics; of bad steps only the first is kept in detail."""
    both: Metrics = tf.nest.map_structure(lambda a, b: a + b, total, seen)
    first = tf.cast(total.bad_steps < 0.5, tf.float32)
    return both._replace(
        bad_buckets=total.bad_buckets + first * seen.bad_buckets,
        bad_variable=total.bad_variable + first * seen.bad_variable,
    )


def packed(metrics: Metrics) -> tf.Tensor:
    """All numbers of some metrics in a row."""
    parts = tf.nest.flatten(metrics)
    return tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)


def unpacked(row: tf.Tensor, like: Metrics) -> Metrics:
    """What `packed` was given, of the shapes of other metrics."""
    shapes = [part.shape for part in tf.nest.flatten(like)]
    parts = tf.split(row, [shape.num_elements() for shape in shapes])
    pairs = zip(parts, shapes, strict=True)
    shaped = [tf.reshape(part, shape) for part, shape in pairs]
    unflattened: Metrics = tf.nest.pack_sequence_as(like, shaped)
    return unflattened
