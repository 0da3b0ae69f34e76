"""The inner loop: optimiser steps on every replica, many in one call of a graph."""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from pdm_tf.data.images import to_float
from pdm_tf.denoisers.objective import Loss, Objective, ObservingObjective
from pdm_tf.networks.recomputation import recomputing
from pdm_tf.training.accumulation import accumulated
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.further_averages import AllAverages
from pdm_tf.training.loss_scale import Unscaled
from pdm_tf.training.metrics import Metrics, added, no_metrics, packed, unpacked
from pdm_tf.training.optimizer import Adam


class Trainer:
    """Owns one training step, for any number of replicas.

    The loss is divided by the global batch; gradients are summed once over replicas
    and clipped after that; the average is updated once. Draws belong to an example's
    place in the global batch, so the number of replicas changes nothing.

    Args:
      strategy: where replicas live.
      objective: what is minimised, and which variables learn from it.
      optimizer: applies summed gradients.
      average: moving average of those variables, or several.
      step: int64 variable, steps finished.
      batch_size: global batch.
      seed: seed of the run.
      clip_norm: largest global norm of the gradients, or 0.
      scale: of the loss, for networks that compute in float16, or what else decides
        whether a step is taken.
      microbatch: pictures that a replica takes at a time; 0: all of its shard.
      remat: compute blocks of networks a second time rather than keep their insides.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        objective: Objective,
        optimizer: Adam,
        average: MovingAverage | AllAverages,
        step: tf.Variable,
        batch_size: int,
        seed: int,
        clip_norm: float = 0.0,
        scale: Unscaled | None = None,
        microbatch: int = 0,
        remat: bool = False,
    ) -> None:
        self.strategy, self.objective = strategy, objective
        self.optimizer, self.average, self.step = optimizer, average, step
        self.batch_size, self.seed, self.clip_norm = batch_size, seed, clip_norm
        self.scale = scale or Unscaled()
        self.microbatch, self.remat = microbatch, remat
        self.variables = list(objective.variables.values())
        self.run_steps = tf.function(self._run_steps, autograph=False)

    def _run_steps(self, batches: Iterator, steps: tf.Tensor) -> Metrics:
        """Takes `steps` (int32 []) batches and steps; one trace for any number."""

        def one(i: tf.Tensor, total: Metrics) -> tuple[tf.Tensor, Metrics]:
            return i + 1, added(total, self.take_step(next(batches)))

        start = (tf.constant(0), no_metrics(self.objective))
        return tf.while_loop(lambda i, _: i < steps, one, start)[1]

    def take_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Metrics:
        """One step, in a graph; batch: pictures and labels of each replica."""
        # In one piece: each reduction makes all machines wait for each other.
        each = self.strategy.run(lambda *b: packed(self._replica_step(*b)), args=batch)
        add = tf.distribute.ReduceOp.SUM
        row = self.strategy.reduce(add, each, axis=None)
        seen = unpacked(row, no_metrics(self.objective))
        with tf.control_dependencies([seen.gradient_norm]):
            self.average.update(self.step.assign_add(1))
        return seen

    def _replica_step(self, pictures: tf.Tensor, labels: tf.Tensor) -> Metrics:
        step = self.step.read_value()
        draws = self._own(self.objective.draw(self.seed, step, self.batch_size))
        count = 1
        if self.microbatch:
            count = pictures.shape[0] // self.microbatch
        terms = dict.fromkeys(self.objective.terms, tf.float32)
        losses, gradients = accumulated(
            self._differentiated,
            (pictures, labels, draws),
            count,
            self.variables,
            Loss(tf.float32, terms, tf.int32),
        )
        context = tf.distribute.get_replica_context()
        self._note(losses, draws, context)
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        squares = tf.stack([tf.nn.l2_loss(g) for g in gradients])
        norm = tf.sqrt(2.0 * tf.reduce_sum(squares))
        if self.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, norm)
        alarm, finite = self.scale.alarming(norm), tf.math.is_finite(norm)
        norm = self.scale.apply(self.optimizer, gradients, norm, self.step)
        return self._measure(losses, norm, squares, alarm, finite)

    def _note(self, losses: Loss, draws: Any, context: Any) -> None:
        """Lets an objective that draws by its losses take them in, of all replicas."""
        if not isinstance(self.objective, ObservingObjective):
            return
        if seen := self.objective.seen(losses, draws):
            self.objective.note(*context.all_reduce(tf.distribute.ReduceOp.SUM, seen))

    def _differentiated(
        self, pictures: tf.Tensor, labels: tf.Tensor, draws: Any
    ) -> tuple[Loss, list[tf.Tensor]]:
        """Losses of some examples, and gradients of their part of the batch's total."""
        with recomputing(self.remat), tf.GradientTape() as tape:
            losses = self.objective(to_float(pictures), labels, draws)
            loss = tf.reduce_sum(losses.total) / self.batch_size
            loss = self.scale.scaled(loss)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(loss, self.variables, unconnected_gradients=zero)
        # Those of an embedding come as slices.
        return losses, [self.scale.unscaled(tf.convert_to_tensor(g)) for g in gradients]

    def _own(self, draws: Any) -> Any:
        """This replica's rows of the draws of the global batch."""
        context = tf.distribute.get_replica_context()
        rows = self.batch_size // context.num_replicas_in_sync
        first = context.replica_id_in_sync_group * rows
        return tf.nest.map_structure(
            lambda d: tf.slice(d, *_rows(d, first, rows)), draws
        )

    def _measure(
        self,
        losses: Loss,
        norm: tf.Tensor,
        squares: tf.Tensor,
        alarm: tf.Tensor,
        finite: tf.Tensor,
    ) -> Metrics:
        """This replica's part of each metric; parts are summed."""
        part = 1.0 / tf.distribute.get_replica_context().num_replicas_in_sync
        member = tf.one_hot(losses.bucket, self.objective.buckets)
        bad = tf.cast(~tf.math.is_finite(losses.total), tf.float32)
        # The norm would not be finite either: any replica's bad loss alarms all.
        alarm = tf.cast(alarm, tf.float32)
        wrong = tf.cast(~tf.math.is_finite(squares), tf.float32)
        first = (1.0 + tf.cast(tf.argmax(wrong), tf.float32)) * tf.reduce_max(wrong)
        shown = losses.terms[self.objective.terms[0]]
        return Metrics(
            tf.constant(part),
            {
                name: tf.reduce_sum(term) / self.batch_size
                for name, term in losses.terms.items()
            },
            norm * part,
            tf.linalg.matvec(member, shown, transpose_a=True),
            tf.reduce_sum(member, axis=0),
            alarm * part,
            alarm * tf.linalg.matvec(member, bad, transpose_a=True),
            alarm * first * part,
            tf.cast(~finite, tf.float32) * part,
        )


def _rows(values: tf.Tensor, first: tf.Tensor, rows: int) -> tuple[list, list]:
    rest = values.shape.rank - 1
    return [first, *[0] * rest], [rows, *values.shape[1:]]
