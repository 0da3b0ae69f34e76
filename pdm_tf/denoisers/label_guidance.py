"""Classifier guidance: towards what a classifier reads as the label (2105.05233)."""

from collections.abc import Mapping
from typing import Any, Self

import tensorflow as tf

from pdm_tf.denoisers.classifier_guidance import time_of
from pdm_tf.denoisers.denoiser import Carry, Denoiser, Prediction, Wrapper
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.errors import InputError
from pdm_tf.networks.constant_weights import function_of


class LabelGuided(Wrapper):
    """x + s·(1 - alpha) / sqrt(alpha) · d log p(label | z) / dz, each row by its label.

    Without labels, or with the null label, nothing is added. So it is a conditional
    denoiser like any other: guided with weight w, the conditional estimate of an
    unconditional base is the base's plus w·s of the gradient, ADM's rule with the scale
    w·s; of a conditional base both guidances add up.

    Args:
      denoise: the inner denoiser.
      network: (z, time) -> logits of the classes, see `networks.classifier`.
      strength: s; 1 is the exact estimate of what the denoiser knows times p.
      conditional: whether the inner denoiser is conditioned on the label as well.
      labels: int32 [B]; None: not conditioned yet.

    Raises:
      InputError: the denoiser has other classes than the classifier.
    """

    def __init__(
        self,
        denoise: Denoiser,
        network: Any,
        strength: float = 1.0,
        conditional: bool = True,
        labels: tf.Tensor | None = None,
    ) -> None:
        super().__init__(denoise)
        if denoise.num_classes not in (0, network.num_classes):
            raise InputError("the classifier is of other classes than the model")
        self.num_classes = network.num_classes
        self.network, self.strength = network, strength
        self.conditional = conditional and bool(denoise.num_classes)
        self.labels = labels
        self._constant = False
        self._slope = function_of(network, self._derived, {}, self._inputs())

    def _inputs(self) -> list[tf.TensorSpec]:
        return [
            tf.TensorSpec([None, *self.image_shape]),
            tf.TensorSpec([None]),
            tf.TensorSpec([None], tf.int32),
        ]

    def _derived(self, z: tf.Tensor, time: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """d log p(label | z) / dz; of the null label no entry is chosen, so 0."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            read = tf.nn.log_softmax(self.network(z, time))
            chosen = tf.one_hot(labels, self.num_classes)
            found = tf.reduce_sum(read * chosen, axis=1)
        return tape.gradient(found, z)

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        return {**self.denoise.variables, **self.own_variables}

    @property
    def own_variables(self) -> Mapping[str, tf.Variable]:
        """Those of the classifier, by name."""
        if self._constant:
            return {}
        return {
            f"classifier.{v.path.partition('/')[2].replace('/', '.')}": v.value
            for v in self.network.variables
        }

    def conditioned(self, labels: tf.Tensor | None = None) -> Self:
        inner = self.denoise.conditioned(labels) if self.conditional else self.denoise
        made = self.wrapping(inner)
        made.labels = None if labels is None else tf.convert_to_tensor(labels, tf.int32)
        return made

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        prediction, carry = self.denoise.predict(z, level, carry)
        if not self.strength or self.labels is None:
            return prediction, carry
        wide = level.per_pixel()
        by = self.strength * (1.0 - wide.alpha) / wide.signal
        x = prediction.x + by * self.slope(z, level, self.labels)
        return prediction._replace(x=x), carry

    def slope(self, z: tf.Tensor, level: NoiseLevel, labels: tf.Tensor) -> tf.Tensor:
        """d log p(label | z) / dz at a level, [B, H, W, C]; of the null label 0."""
        return self._slope(z, time_of(level), labels)

    def with_constant_weights(self) -> Self:
        made = super().with_constant_weights()
        made._constant = True
        made._slope = function_of(
            self.network, self._derived, {}, self._inputs(), constant=True
        )
        return made


def label_guided(
    denoise: Denoiser,
    network: Any,
    strength: float = 1.0,
    conditional: bool = True,
    labels: tf.Tensor | None = None,
) -> LabelGuided:
    """The denoiser, led to what a classifier of noisy pictures reads as the label.

    See `LabelGuided`.
    """
    return LabelGuided(denoise, network, strength, conditional, labels)
