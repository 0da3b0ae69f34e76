"""What a measurement operator is: y = H(x) + sigma·noise."""

import math
from abc import ABC, abstractmethod

import tensorflow as tf

from pdm_tf import seeds as noises

_STREAM = 1_000_003  # of measurement noise: no step of a sampler has it


class Operator(ABC):
    """A linear map H from pictures [N, H, W, C] to measurements [N, …].

    All functions keep the type of what they are given, float32 or float64, and may
    stand in a graph.

    Args:
      shape: (H, W, C) of the pictures.
      measured: shape of a measurement.

    Attributes:
      sigma: standard deviation of the noise in a measurement.
      linear: whether H is linear.
      tight: c where H Hᵀ = c·I, which makes H⁺ = Hᵀ / c; None: it is not so.
    """

    linear: bool = True
    tight: float | None = None
    sigma: float = 0.0

    def __init__(self, shape: tuple[int, ...], measured: tuple[int, ...]) -> None:
        self.shape, self.measured = tuple(shape), tuple(measured)

    @property
    def size(self) -> int:
        """n, numbers in a picture."""
        return math.prod(self.shape)

    @property
    def count(self) -> int:
        """m, numbers in a measurement."""
        return math.prod(self.measured)

    @abstractmethod
    def forward(self, x: tf.Tensor) -> tf.Tensor:
        """H x: [N, …] for pictures [N, H, W, C]."""

    @abstractmethod
    def adjoint(self, y: tf.Tensor, at: tf.Tensor | None = None) -> tf.Tensor:
        """Hᵀ y: [N, H, W, C]; of one that is not linear, that of its derivative.

        Args:
          y: like a measurement.
          at: pictures at which the derivative is taken; linear ones need none.
        """

    @abstractmethod
    def pinv(self, y: tf.Tensor, ridge: tf.Tensor | float = 0.0) -> tf.Tensor:
        """H⁺ y: [N, H, W, C], where `ridge` is 0.

        With a ridge above 0 it is Hᵀ (H Hᵀ + ridge·I)⁻¹ y. Operators that are not
        linear have no such thing, and look at no ridge.
        """

    def fitted(
        self, x: tf.Tensor, y: tf.Tensor, ridge: tf.Tensor | float = 0.0
    ) -> tf.Tensor:
        """x + H⁺(y - H x): the picture next to x that gives y, where there is one."""
        return x + self.pinv(y - self.forward(x), ridge)

    def measure(self, x: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Measurements of pictures, with noise of one seed each, int32 [N]."""
        y = self.forward(x)
        if not self.sigma:
            return y
        noise = noises.normal(noises.keys(seeds, _STREAM), self.measured)
        return y + self.sigma * tf.cast(noise, y.dtype)


class Tight(Operator):
    """An operator whose rows are orthogonal and of one length: H Hᵀ = c·I."""

    tight: float = 1.0

    def pinv(self, y: tf.Tensor, ridge: tf.Tensor | float = 0.0) -> tf.Tensor:
        return self.adjoint(y) / (self.tight + as_type(ridge, y.dtype))


class Nonlinear(Operator):
    """An operator whose derivative TensorFlow takes."""

    linear = False

    def fitted(
        self, x: tf.Tensor, y: tf.Tensor, ridge: tf.Tensor | float = 0.0
    ) -> tf.Tensor:
        """x + H⁺ y - H⁺ H x: a difference of measurements would mean nothing."""
        return x + self.pinv(y) - self.pinv(self.forward(x))

    def adjoint(self, y: tf.Tensor, at: tf.Tensor | None = None) -> tf.Tensor:
        assert at is not None, "the derivative is taken at pictures"
        with tf.GradientTape() as tape:
            tape.watch(at)
            value = self.forward(at)
        return tape.gradient(value, at, output_gradients=y)


def as_type(value: tf.Tensor | float, dtype: tf.DType) -> tf.Tensor:
    """A number as a tensor; of Python's numbers no digit is lost on the way."""
    if isinstance(value, tf.Tensor):
        return tf.cast(value, dtype)
    return tf.constant(value, dtype)


def reciprocal(values: tf.Tensor, ridge: tf.Tensor | float) -> tf.Tensor:
    """s / (s² + ridge) of singular values s >= 0; 0 where s is 0, also at ridge 0."""
    squared = tf.square(values) + as_type(ridge, values.dtype)
    return tf.math.divide_no_nan(values, squared)
