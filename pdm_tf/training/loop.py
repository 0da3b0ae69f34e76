"""The inner loop: optimiser steps on every replica, many in one call of a graph."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from pdm_tf.data.images import to_float
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.loss_scale import LossScale, Unscaled
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


def no_metrics() -> Metrics:
    """Zeros of every metric."""
    zero, zeros = tf.zeros([]), tf.zeros([QUARTILES])
    return Metrics(zero, zero, zero, zero, zeros, zeros)


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
      scale: of the loss, for networks that compute in float16.
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
        scale: LossScale | None = None,
    ) -> None:
        self.strategy, self.objective = strategy, objective
        self.optimizer, self.average, self.step = optimizer, average, step
        self.batch_size, self.seed, self.clip_norm = batch_size, seed, clip_norm
        self.scale: LossScale | Unscaled = scale or Unscaled()
        self.variables = [v.value for v in objective.network.trainable_variables]
        self.run_steps = tf.function(self._run_steps, autograph=False)

    def _run_steps(self, batches: Iterator, steps: tf.Tensor) -> Metrics:
        """Takes `steps` (int32 []) batches and steps; one trace for any number."""

        def one(i: tf.Tensor, total: Metrics) -> tuple[tf.Tensor, Metrics]:
            batch = next(batches)
            each = self.strategy.run(self._replica_step, args=batch)
            add = tf.distribute.ReduceOp.SUM
            seen = Metrics(*(self.strategy.reduce(add, m, axis=None) for m in each))
            with tf.control_dependencies([seen.gradient_norm]):
                self.average.update(self.step.assign_add(1))
            return i + 1, Metrics(*(a + b for a, b in zip(total, seen, strict=True)))

        start = (tf.constant(0), no_metrics())
        return tf.while_loop(lambda i, _: i < steps, one, start)[1]

    def _replica_step(self, pictures: tf.Tensor, labels: tf.Tensor) -> Metrics:
        draws = self._own(draw(self.seed, self.step.read_value(), self.batch_size))
        with tf.GradientTape() as tape:
            losses = self.objective(to_float(pictures), labels, draws)
            loss = tf.reduce_sum(losses.simple + losses.vlb) / self.batch_size
            loss = self.scale.scaled(loss)
        gradients = tape.gradient(loss, self.variables)
        # Those of an embedding come as slices.
        gradients = [self.scale.unscaled(tf.convert_to_tensor(g)) for g in gradients]
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = tf.linalg.global_norm(gradients)
        if self.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, norm)
        norm = self.scale.apply(self.optimizer, gradients, norm, self.step)
        return self._measure(losses, norm)

    def _own(self, draws: Draws) -> Draws:
        """This replica's rows of the draws of the global batch."""
        context = tf.distribute.get_replica_context()
        rows = self.batch_size // context.num_replicas_in_sync
        first = context.replica_id_in_sync_group * rows
        return Draws(*(tf.slice(d, *_rows(d, first, rows)) for d in draws))

    def _measure(self, losses: Losses, norm: tf.Tensor) -> Metrics:
        """This replica's share of each metric; shares are summed."""
        share = 1.0 / tf.distribute.get_replica_context().num_replicas_in_sync
        quartile = losses.t * QUARTILES // self.objective.schedule.timesteps
        member = tf.one_hot(quartile, QUARTILES)
        return Metrics(
            tf.constant(share),
            tf.reduce_sum(losses.simple) / self.batch_size,
            tf.reduce_sum(losses.vlb) / self.batch_size,
            norm * share,
            tf.linalg.matvec(member, losses.simple, transpose_a=True),
            tf.reduce_sum(member, axis=0),
        )


def _rows(values: tf.Tensor, first: Any, rows: int) -> tuple[list, list]:
    rest = values.shape.rank - 1
    return [first, *[0] * rest], [rows, *values.shape[1:]]
