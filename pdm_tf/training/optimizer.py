"""Adam (arXiv 1412.6980), its slots keyed by variable name; weights may decay.

Keras' optimisers clip before gradients are summed over replicas and store their
slots by index, where a change of order restores them to the wrong variable.
"""

from collections.abc import Callable, Mapping

import tensorflow as tf


class Adam(tf.Module):
    """Algorithm 1 of arXiv 1412.6980; takes gradients already summed over replicas.

    Args:
      variables: what is trained, by name.
      learning_rate: finished steps -> rate.
      beta_1: decay of the mean of gradients.
      beta_2: decay of the mean of squared gradients.
      epsilon: added to the denominator.
      weight_decay: share of the kernels, variables of two axes or more, that a step
        at a learning rate of 1 takes away (AdamW, arXiv 1711.05101).
    """

    def __init__(
        self,
        variables: Mapping[str, tf.Variable],
        learning_rate: Callable[[tf.Tensor], tf.Tensor],
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(name="adam")
        self.learning_rate = learning_rate
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.weight_decay = weight_decay
        # In a closure: as an attribute the variables would be saved a second time.
        pairs = tuple(variables.items())
        self._variables = lambda: pairs
        self.m = {path: _slot(variable) for path, variable in pairs}
        self.v = {path: _slot(variable) for path, variable in pairs}

    def apply(self, gradients: list[tf.Tensor], step: tf.Tensor) -> None:
        """One update; called by every replica, or outside of replicas.

        Args:
          gradients: one for each variable, in their order.
          step: int64 [], updates finished before this one.
        """
        t = tf.cast(step + 1, tf.float32)
        correction = tf.sqrt(1.0 - self.beta_2**t) / (1.0 - self.beta_1**t)
        rate = self.learning_rate(step)
        rates = rate * correction, rate * self.weight_decay
        if tf.distribute.in_cross_replica_context():
            self._update_all(tf.distribute.get_strategy(), gradients, rates)
        else:
            context = tf.distribute.get_replica_context()
            context.merge_call(self._update_all, args=(gradients, rates))

    def _update_all(
        self, strategy: tf.distribute.Strategy, gradients: list, rates: tuple
    ) -> None:
        for (path, variable), g in zip(self._variables(), gradients, strict=True):
            given = (g, self.m[path], self.v[path], *rates)
            strategy.extended.update(variable, self._update, args=given, group=False)

    def _update(
        self,
        variable: tf.Variable,
        g: tf.Tensor,
        m: tf.Variable,
        v: tf.Variable,
        rate: tf.Tensor,
        decay: tf.Tensor,
    ) -> tf.Operation:
        if self.weight_decay and variable.shape.rank > 1:
            # Beside the gradient, or Adam's denominator would weaken it.
            kept = tf.cast(1.0 - decay, variable.dtype)
            variable.assign(variable * kept, read_value=False)
        # In one pass over each variable. The rate is corrected already, which is what
        # powers of 0 say; written out, a step would take 8 passes.
        return tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=0.0,
            beta2_power=0.0,
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(g),
        )


def _slot(variable: tf.Variable) -> tf.Variable:
    zeros = tf.zeros(variable.shape, variable.dtype)
    mean = tf.VariableAggregation.MEAN
    return tf.Variable(zeros, trainable=False, aggregation=mean)
