"""Exponential moving average of the weights: one copy, on the host (Appendix C)."""

import contextlib
from collections.abc import Iterator, Mapping

import tensorflow as tf

from pdm_tf.config import TrainingConfig


def start_left(training: TrainingConfig, step: int) -> float:
    """Share of the weights before the first step in the average after some steps."""
    left = 1.0
    for n in range(1, step // training.ema_every + 1):
        decay = training.ema_decay
        if training.ema_warmup:
            decay = min(decay, (1 + n) / (10 + n))
        left *= decay
        if left < 1e-9:
            break
    return left


class MovingAverage(tf.Module):
    """Averages of variables by their names, updated every so many steps.

    Args:
      variables: what is averaged, by name.
      decay: share of the old average that an update keeps.
      every: steps between two updates.
      warmup: begin with a smaller decay, (1 + n) / (10 + n) at update n, so that the
        random start loses its weight; without it early averages are noise.
    """

    def __init__(
        self,
        variables: Mapping[str, tf.Variable],
        decay: float = 0.99,
        every: int = 100,
        warmup: bool = True,
    ) -> None:
        super().__init__(name="ema")
        self.decay, self.every, self.warmup = decay, every, warmup
        self._variables = lambda: variables  # see Adam
        with tf.device("CPU:0"):
            self.weights = {
                path: tf.Variable(variable.read_value(), trainable=False)
                for path, variable in variables.items()
            }

    def update(self, step: tf.Tensor) -> None:
        """Averages in the weights after `step` finished steps, when it is time to.

        Must run outside of replicas, where it counts once for all of them.
        """
        due = tf.equal(step % self.every, 0)
        tf.cond(due, lambda: self._average(step), tf.no_op)

    def taken(self, n: tf.Tensor) -> tf.Tensor:
        """Share of the weights of the moment that update n, float32 [], takes in."""
        decay = tf.constant(self.decay)
        if self.warmup:
            decay = tf.minimum(decay, (1.0 + n) / (10.0 + n))
        return 1.0 - decay

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """While entered, the variables hold their averages; then what they held."""
        variables = self._variables()
        held = {path: v.read_value().numpy() for path, v in variables.items()}
        try:
            for path, variable in variables.items():
                variable.assign(self.weights[path].read_value())
            yield
        finally:
            for path, variable in variables.items():
                variable.assign(held[path])

    def _average(self, step: tf.Tensor) -> tf.Operation:
        taken = self.taken(tf.cast(step // self.every, tf.float32))
        last: list[tf.Operation] = []
        for path, average in self.weights.items():
            # One after another, or copies of all of them would be held at once.
            with tf.device("CPU:0"), tf.control_dependencies(last):
                change = average - self._variables()[path].read_value()
                change *= tf.cast(taken, average.dtype)
                last = [average.assign_sub(change, read_value=False)]
        return tf.group(*last)
