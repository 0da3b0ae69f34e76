"""A training for those who work with Keras: `compile`, `fit`, callbacks.

`pdm_tf.train` resumes to the bit, averages weights, runs on several devices; this does
what Keras does, around the same objective.
"""

from typing import Any

import keras
import tensorflow as tf

from pdm_tf.data.images import to_float
from pdm_tf.denoisers.objective import Loss, Objective
from pdm_tf.errors import SettingError

_FIXED = 0x66697865  # seed of what validation draws, apart from any small one


class FittableModel(keras.Model):
    """A network that `fit` trains by an objective of denoising, on one device.

    Pictures are uint8 [N, H, W, C], or float32 in [-1, 1]; labels int32 [N], if there
    are classes, or rows of conditions, float32 [N, n]. The random numbers
    of a step are a function of the seed and of the optimizer's iterations; validation
    draws the same every time.

    Args:
      network: what learns; `FittableModel.network.save("x.keras")` keeps it.
      objective: its loss; its variables are the network's.
      batch_size: the largest batch that is given.
      seed: of the noise.
    """

    def __init__(
        self,
        network: keras.Model,
        objective: Objective,
        batch_size: int = 32,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        if batch_size < 1:
            raise SettingError("batch_size", batch_size, "give at least 1")
        self.network, self.objective = network, objective
        self.batch_size, self.seed = batch_size, seed
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in ("loss", *objective.terms)
        }
        self.built = True

    @property
    def metrics(self) -> list[Any]:
        return list(self.trackers.values())

    def call(self, *given: tf.Tensor) -> Any:
        """The network's raw output."""
        return self.network(*given)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        variables = list(self.objective.variables.values())
        with tf.GradientTape() as tape:
            losses = self._draw_losses(data, self.seed, self.optimizer.iterations.value)
            loss = tf.reduce_mean(losses.total)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(loss, variables, unconnected_gradients=zero)
        given = {id(v): g for v, g in zip(variables, gradients, strict=True)}
        learnt = [v for v in self.network.trainable_variables if id(v.value) in given]
        self.optimizer.apply_gradients([(given[id(v.value)], v) for v in learnt])
        return self._recorded(losses)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        return self._recorded(self._draw_losses(data, _FIXED, tf.constant(0)))

    def _draw_losses(self, data: Any, seed: int, step: tf.Tensor) -> Loss:
        x, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        x = to_float(x) if x.dtype == tf.uint8 else tf.cast(x, tf.float32)
        count = tf.shape(x)[0]
        if labels is None:
            labels = tf.zeros([count], tf.int32)
        draws = self.objective.draw(seed, step, self.batch_size)
        draws = tf.nest.map_structure(lambda rows: rows[:count], draws)
        if labels.shape.rank != 2 or not labels.dtype.is_floating:
            labels = tf.cast(tf.reshape(labels, [-1]), tf.int32)
        return self.objective(x, labels, draws)

    def _recorded(self, losses: Loss) -> dict[str, tf.Tensor]:
        for name, value in {"loss": losses.total, **losses.terms}.items():
            self.trackers[name].update_state(value)
        return {name: tracker.result() for name, tracker in self.trackers.items()}
