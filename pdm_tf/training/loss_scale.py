"""Loss scaling, without which small float16 gradients vanish (arXiv 1710.03740)."""

from functools import partial

import tensorflow as tf

from pdm_tf.training.optimizer import Adam


class Unscaled:
    """Gradients as they come, for float32 and bfloat16: every step is taken."""

    def scaled(self, loss: tf.Tensor) -> tf.Tensor:
        """What is differentiated instead of the loss []."""
        return loss

    def unscaled(self, gradient: tf.Tensor) -> tf.Tensor:
        """The gradient of the loss, from that of the scaled loss."""
        return gradient

    def apply(
        self,
        optimizer: Adam,
        gradients: list[tf.Tensor],
        norm: tf.Tensor,
        step: tf.Variable,
    ) -> tf.Tensor:
        """Takes a step; called by every replica.

        Args:
          optimizer: what takes it.
          gradients: unscaled, and already summed over replicas.
          norm: their global norm [], before any clipping.
          step: updates finished before this one.

        Returns:
          The norm [] of the step taken; 0 if it was skipped.
        """
        optimizer.apply(gradients, step.read_value())
        return norm

    def alarming(self, norm: tf.Tensor) -> tf.Tensor:
        """Whether a norm is that of a training gone wrong, bool []."""
        return ~tf.math.is_finite(norm)


class Guarded(Unscaled):
    """A step whose gradients are not finite is skipped, on every replica or on none."""

    def apply(
        self,
        optimizer: Adam,
        gradients: list[tf.Tensor],
        norm: tf.Tensor,
        step: tf.Variable,
    ) -> tf.Tensor:
        """Takes a step, or skips it; see `Unscaled.apply`."""
        finite = tf.math.is_finite(norm)
        # Decided where all replicas meet, from gradients that all of them share.
        decide = partial(self._decide, optimizer=optimizer, step=step)
        context = tf.distribute.get_replica_context()
        context.merge_call(decide, args=(gradients, finite))
        return tf.where(finite, norm, 0.0)

    def _decide(
        self,
        strategy: tf.distribute.Strategy,
        gradients: list,
        finite: tf.Tensor,
        optimizer: Adam,
        step: tf.Variable,
    ) -> None:
        finite = strategy.experimental_local_results(finite)[0]

        def take() -> tf.Operation:
            optimizer.apply(gradients, step.read_value())
            return tf.no_op()

        tf.cond(finite, take, tf.no_op)
        self._adapt(finite)

    def _adapt(self, finite: tf.Tensor) -> None:
        """Learns from a step that was finite or not; here nothing."""


class LossScale(Guarded, tf.Module):
    """The loss times the largest power of two that lets no gradient overflow.

    A step whose gradients are not finite is skipped, on every replica or on none, and
    halves the scale; many good steps in a row double it. Both are exact in binary, so
    that scaling changes nothing but what would have been lost. The state is saved with
    a checkpoint.

    Args:
      scale: the scale to begin with, at least 1.
      growth_steps: good steps in a row after which it doubles.
    """

    def __init__(self, scale: float = 2.0**15, growth_steps: int = 2000) -> None:
        tf.Module.__init__(self, name="loss_scale")
        self.growth_steps = growth_steps
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        self.scale = tf.Variable(scale, False, dtype=tf.float32, aggregation=first)
        self.good_steps = tf.Variable(0, False, dtype=tf.int64, aggregation=first)

    def scaled(self, loss: tf.Tensor) -> tf.Tensor:
        """What is differentiated instead of the loss []."""
        return loss * self.scale.read_value()

    def unscaled(self, gradient: tf.Tensor) -> tf.Tensor:
        """The gradient of the loss, from that of the scaled loss."""
        return gradient / self.scale.read_value()

    def alarming(self, norm: tf.Tensor) -> tf.Tensor:
        """As long as the scale can fall, a step skipped is nothing unusual."""
        return ~tf.math.is_finite(norm) & (self.scale.read_value() <= 1.0)

    def _adapt(self, finite: tf.Tensor) -> None:
        """Doubles or halves the scale, or leaves it; never below 1."""
        scale = self.scale.read_value()
        good = tf.where(finite, self.good_steps.read_value() + 1, 0)
        grow = good >= self.growth_steps
        better = tf.where(grow, 2.0 * scale, scale)
        self.scale.assign(tf.where(finite, better, tf.maximum(0.5 * scale, 1.0)))
        self.good_steps.assign(tf.where(grow, tf.zeros_like(good), good))
