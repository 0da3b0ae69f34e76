"""Several operators, one after the other."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from pdm_tf.inverse.operators.operator import Operator, as_type

_ITERATIONS = 2000  # of conjugate gradients, at most


class Chain(Operator):
    """The first operator sees the picture, each later one what the one before gives.

    Where all but the last are tight, the pseudo-inverse is those of the parts in
    reverse; of other linear chains it is found by conjugate gradients. A chain with a
    part that is not linear inverts part by part.

    Args:
      parts: two or more; each one's pictures are the measurements of the one before.
    """

    def __init__(self, parts: Sequence[Operator]) -> None:
        super().__init__(parts[0].shape, parts[-1].measured)
        self.parts = tuple(parts)
        self.linear = all(part.linear for part in parts)
        self._gain = 1.0  # of all but the last, where they are tight
        for part in parts[:-1]:
            self._gain *= part.tight or 0.0
        if self.linear and self._gain and parts[-1].tight:
            self.tight = self._gain * parts[-1].tight

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        for part in self.parts:
            x = part.forward(x)
        return x

    def adjoint(self, y: tf.Tensor, at: tf.Tensor | None = None) -> tf.Tensor:
        places: list[tf.Tensor | None] = [None] * len(self.parts)
        if at is not None:
            for i, part in enumerate(self.parts):
                places[i], at = at, part.forward(at)
        for part, place in zip(reversed(self.parts), reversed(places), strict=True):
            y = part.adjoint(y, place)
        return y

    def fitted(
        self, x: tf.Tensor, y: tf.Tensor, ridge: tf.Tensor | float = 0.0
    ) -> tf.Tensor:
        if self.linear:
            return super().fitted(x, y, ridge)
        return x + self.pinv(y) - self.pinv(self.forward(x))

    def pinv(self, y: tf.Tensor, ridge: tf.Tensor | float = 0.0) -> tf.Tensor:
        if not self.linear:
            for part in reversed(self.parts):
                y = part.pinv(y)
            return y
        if not self._gain:
            return self._nearest(y, as_type(ridge, y.dtype))
        y = self.parts[-1].pinv(y, as_type(ridge, y.dtype) / self._gain)
        for part in reversed(self.parts[:-1]):
            y = part.pinv(y)
        return y

    def _nearest(self, y: tf.Tensor, ridge: tf.Tensor) -> tf.Tensor:
        """The smallest of the x that fit y best, by conjugate gradients on Hᵀ H."""
        small = 1e-26 if y.dtype == tf.float64 else 1e-13
        way = self.adjoint(y)
        first = dot(way, way)

        def step(i: tf.Tensor, now: _Search) -> tuple[tf.Tensor, _Search]:
            mapped = self.forward(now.way)
            bend = dot(mapped, mapped) + ridge * dot(now.way, now.way)
            far = tf.math.divide_no_nan(now.slope, bend)
            x = now.x + _like(far, x=now.x) * now.way
            left = now.left - _like(far, x=mapped) * mapped
            steepest = self.adjoint(left) - ridge * x
            slope = dot(steepest, steepest)
            turn = _like(tf.math.divide_no_nan(slope, now.slope), x=x)
            return i + 1, _Search(x, left, steepest + turn * now.way, slope)

        start = tf.constant(0), _Search(tf.zeros_like(way), y, way, first)
        _, found = tf.while_loop(
            lambda i, now: (i < _ITERATIONS) & tf.reduce_any(now.slope > small * first),
            step,
            start,
        )
        return found.x


class _Search(NamedTuple):
    """Conjugate gradients: x, what is left of y, the next way, |slope|²."""

    x: tf.Tensor
    left: tf.Tensor
    way: tf.Tensor
    slope: tf.Tensor


def dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Inner products, row by row: [N] for [N, …]."""
    return tf.reduce_sum(a * b, axis=list(range(1, a.shape.rank)))


def _like(rows: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Numbers [N], shaped to be multiplied with x [N, …]."""
    return tf.reshape(rows, [-1] + [1] * (x.shape.rank - 1))
