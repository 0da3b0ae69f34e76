"""A denoiser guided by a density of noisy pictures (arXiv 2105.05233, 2301.12334)."""

from collections.abc import Mapping
from copy import copy
from typing import Any, Protocol, Self

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Carry, Denoiser, Prediction, Wrapper
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.networks.constant_weights import function_of

_MIDDLE, _SCALE = 500.0, 50.0  # of the classifier's time, from log SNR


class Density(Protocol):
    """A density of noisy pictures, up to a factor.

    Attributes:
      variables: that it computes with, by name; none once they are constants.
    """

    @property
    def variables(self) -> Mapping[str, tf.Variable]: ...

    def slope(self, z: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
        """The gradient by z of log p(z) at a level [] or [B]: float32 [B, H, W, C]."""

    def with_constant_weights(self) -> Self: ...


class ClassifierGuided(Wrapper):
    """x + s·(1 - alpha) / sqrt(alpha) · d log p(z) / dz.

    With s = 1 that is the exact estimate of what the denoiser knows times p (Tweedie's
    formula), whichever sampler asks for it. In DDIM it is the rule of arXiv 2105.05233,
    eps - s·sqrt(1 - alpha)·d log p / dz, and in ancestral steps the mean's shift by
    s·beta·d log p / dz, to first order of beta.

    Args:
      denoise: the inner denoiser.
      density: p.
      strength: s; 0 leaves the estimate as it is.
    """

    def __init__(self, denoise: Denoiser, density: Density, strength: float) -> None:
        super().__init__(denoise)
        self.density, self.strength = density, strength

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        return {**self.denoise.variables, **self.density.variables}

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        prediction, carry = self.denoise.predict(z, level, carry)
        if not self.strength:
            return prediction, carry
        wide = level.per_pixel()
        # Noise alone (alpha = 0, where the linear process begins) is of no class.
        by = self.strength * tf.math.divide_no_nan(1.0 - wide.alpha, wide.signal)
        shift = tf.math.multiply_no_nan(self.density.slope(z, level), by)
        x = prediction.x + shift
        return prediction._replace(x=x), carry

    def with_constant_weights(self) -> Self:
        made = super().with_constant_weights()
        made.density = self.density.with_constant_weights()
        return made


class ClassDensity:
    """p(class | z) of a classifier of noisy pictures.

    Args:
      network: (z, time) -> logits, see `networks.classifier`.
      wanted: the class.
      name: before the names of its variables.
    """

    def __init__(self, network: Any, wanted: int, name: str = "classifier") -> None:
        self.network, self.wanted, self.name = network, wanted, name
        self._constant = False
        self._evaluate = function_of(network, self._slope, {}, self._inputs())

    def _inputs(self) -> list[tf.TensorSpec]:
        shape = [None, *self.network.image_shape]
        return [tf.TensorSpec(shape), tf.TensorSpec([None])]

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        if self._constant:
            return {}
        return {
            f"{self.name}.{v.path.partition('/')[2].replace('/', '.')}": v.value
            for v in self.network.variables
        }

    def slope(self, z: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
        return self._evaluate(z, time_of(level))

    def _slope(self, z: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            found = tf.nn.log_softmax(self.network(z, time))[:, self.wanted]
        return tape.gradient(found, z)

    def with_constant_weights(self) -> Self:
        made = copy(self)
        made._constant = True
        made._evaluate = function_of(
            self.network, self._slope, {}, self._inputs(), constant=True
        )
        return made


def time_of(level: NoiseLevel) -> tf.Tensor:
    """How noisy, as a classifier takes it: float32 [B] or [1] in 0 … 1,000.

    By log SNR, so that it means the same on every process.
    """
    time = _MIDDLE - _SCALE * tf.reshape(level.log_snr, [-1])
    return tf.clip_by_value(time, 0.0, 2.0 * _MIDDLE)


def classifier_guided(
    denoise: Denoiser, density: Density, strength: float = 1.0
) -> Denoiser:
    """The denoiser, its estimates moved to where a density of noisy pictures rises.

    See `ClassifierGuided`.
    """
    return ClassifierGuided(denoise, density, strength)
