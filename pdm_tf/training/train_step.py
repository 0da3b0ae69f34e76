"""The inner loop: optimiser steps on every replica, many in one call of a graph."""

from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from pdm_tf.data.images import to_float
from pdm_tf.training.accumulation import accumulated
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.loss_scale import Unscaled
from pdm_tf.training.objective import Draws, Losses, Objective, draw
from pdm_tf.training.optimizer import Adam

QUARTILES = 4  # of the timesteps, in which losses are recorded


class Metrics(NamedTuple):
    """Sums over the steps of one call; divide by `steps` or by the counts."""

    steps: tf.Tensor
    simple: tf.Tensor
    vlb: tf.Tensor
    gradient_norm: tf.Tensor
    quartile_loss: tf.Tensor  # [4], least noisy first
    quartile_count: tf.Tensor  # [4]
    bad_steps: tf.Tensor  # steps with a loss or gradients that were not finite
    bad_quartiles: tf.Tensor  # [4], examples of the first of them by quartile
    bad_variable: tf.Tensor  # its first variable so, counted from 1; 0: none


def no_metrics() -> Metrics:
    """Zeros of every metric."""
    zero, zeros = tf.zeros([]), tf.zeros([QUARTILES])
    return Metrics(zero, zero, zero, zero, zeros, zeros, zero, zeros, zero)


def added(total: Metrics, seen: Metrics) -> Metrics:
    """Sums of metrics; of bad steps only the first is told in detail."""
    both = Metrics(*(a + b for a, b in zip(total, seen, strict=True)))
    first = tf.cast(total.bad_steps < 0.5, tf.float32)
    return both._replace(
        bad_quartiles=total.bad_quartiles + first * seen.bad_quartiles,
        bad_variable=total.bad_variable + first * seen.bad_variable,
    )


def packed(metrics: Metrics) -> tf.Tensor:
    """All numbers of some metrics in a row."""
    return tf.concat([tf.reshape(metric, [-1]) for metric in metrics], axis=0)


def unpacked(row: tf.Tensor) -> Metrics:
    """What `packed` was given."""
    shapes = [metric.shape for metric in no_metrics()]
    parts = tf.split(row, [shape.num_elements() for shape in shapes])
    pairs = zip(parts, shapes, strict=True)
    return Metrics(*(tf.reshape(part, shape) for part, shape in pairs))


class Trainer:
    """Owns one training step, for any number of replicas.

    The loss is divided by the global batch; gradients are summed once over replicas
    and clipped after that; the average is updated once. Draws belong to an example's
    place in the global batch, so the number of replicas changes nothing.

    Args:
      strategy: where replicas live.
      objective: loss of a batch.
      optimizer: applies summed gradients.
      average: moving average of the weights.
      step: int64 variable, steps finished.
      batch_size: global batch.
      seed: seed of the run.
      clip_norm: largest global norm of the gradients, or 0.
      scale: of the loss, for networks that compute in float16, or what else decides
        whether a step is taken.
      microbatch: pictures that a replica takes at a time; 0: all of its share.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        objective: Objective,
        optimizer: Adam,
        average: MovingAverage,
        step: tf.Variable,
        batch_size: int,
        seed: int,
        clip_norm: float = 0.0,
        scale: Unscaled | None = None,
        microbatch: int = 0,
    ) -> None:
        self.strategy, self.objective = strategy, objective
        self.optimizer, self.average, self.step = optimizer, average, step
        self.batch_size, self.seed, self.clip_norm = batch_size, seed, clip_norm
        self.scale, self.microbatch = scale or Unscaled(), microbatch
        self.variables = [v.value for v in objective.network.trainable_variables]
        self.run_steps = tf.function(self._run_steps, autograph=False)

    def _run_steps(self, batches: Iterator, steps: tf.Tensor) -> Metrics:
        """Takes `steps` (int32 []) batches and steps; one trace for any number."""

        def one(i: tf.Tensor, total: Metrics) -> tuple[tf.Tensor, Metrics]:
            return i + 1, added(total, self.take_step(next(batches)))

        start = (tf.constant(0), no_metrics())
        return tf.while_loop(lambda i, _: i < steps, one, start)[1]

    def take_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Metrics:
        """One step, in a graph; batch: pictures and labels of each replica."""
        # In one piece: each reduction makes all machines wait for each other.
        each = self.strategy.run(lambda *b: packed(self._replica_step(*b)), args=batch)
        add = tf.distribute.ReduceOp.SUM
        seen = unpacked(self.strategy.reduce(add, each, axis=None))
        with tf.control_dependencies([seen.gradient_norm]):
            self.average.update(self.step.assign_add(1))
        return seen

    def _replica_step(self, pictures: tf.Tensor, labels: tf.Tensor) -> Metrics:
        draws = self._own(draw(self.seed, self.step.read_value(), self.batch_size))
        count = 1
        if self.microbatch:
            count = pictures.shape[0] // self.microbatch
        losses, gradients = accumulated(
            self._differentiated, (pictures, labels, draws), count, self.variables
        )
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        squares = tf.stack([tf.nn.l2_loss(g) for g in gradients])
        norm = tf.sqrt(2.0 * tf.reduce_sum(squares))
        if self.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, norm)
        alarm = self.scale.alarming(norm)
        norm = self.scale.apply(self.optimizer, gradients, norm, self.step)
        return self._measure(losses, norm, squares, alarm)

    def _differentiated(
        self, pictures: tf.Tensor, labels: tf.Tensor, draws: Draws
    ) -> tuple[Losses, list[tf.Tensor]]:
        """Losses of some examples, and gradients of their part of the batch's loss."""
        with tf.GradientTape() as tape:
            losses = self.objective(to_float(pictures), labels, draws)
            loss = tf.reduce_sum(losses.simple + losses.vlb) / self.batch_size
            loss = self.scale.scaled(loss)
        gradients = tape.gradient(loss, self.variables)
        # Those of an embedding come as slices.
        return losses, [self.scale.unscaled(tf.convert_to_tensor(g)) for g in gradients]

    def _own(self, draws: Draws) -> Draws:
        """This replica's rows of the draws of the global batch."""
        context = tf.distribute.get_replica_context()
        rows = self.batch_size // context.num_replicas_in_sync
        first = context.replica_id_in_sync_group * rows
        return Draws(*(tf.slice(d, *_rows(d, first, rows)) for d in draws))

    def _measure(
        self, losses: Losses, norm: tf.Tensor, squares: tf.Tensor, alarm: tf.Tensor
    ) -> Metrics:
        """This replica's share of each metric; shares are summed."""
        share = 1.0 / tf.distribute.get_replica_context().num_replicas_in_sync
        quartile = losses.t * QUARTILES // self.objective.schedule.timesteps
        member = tf.one_hot(quartile, QUARTILES)
        bad = tf.cast(~tf.math.is_finite(losses.simple + losses.vlb), tf.float32)
        # The norm would not be finite either: any replica's bad loss alarms all.
        alarm = tf.cast(alarm, tf.float32)
        wrong = tf.cast(~tf.math.is_finite(squares), tf.float32)
        first = (1.0 + tf.cast(tf.argmax(wrong), tf.float32)) * tf.reduce_max(wrong)
        return Metrics(
            tf.constant(share),
            tf.reduce_sum(losses.simple) / self.batch_size,
            tf.reduce_sum(losses.vlb) / self.batch_size,
            norm * share,
            tf.linalg.matvec(member, losses.simple, transpose_a=True),
            tf.reduce_sum(member, axis=0),
            alarm * share,
            alarm * tf.linalg.matvec(member, bad, transpose_a=True),
            alarm * first * share,
        )


def _rows(values: tf.Tensor, first: tf.Tensor, rows: int) -> tuple[list, list]:
    rest = values.shape.rank - 1
    return [first, *[0] * rest], [rows, *values.shape[1:]]
