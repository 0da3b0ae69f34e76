"""Smaller pictures: a matrix along each axis."""

import numpy as np
import tensorflow as tf

from pdm_tf.errors import InputError
from pdm_tf.inverse.operators.operator import Operator, reciprocal

_NIL = 1e-9  # singular values below this share of the largest are rounding


class Separable(Operator):
    """R x Wᵀ: a matrix along the columns, another along the rows of a picture.

    Args:
      shape: (H, W, C).
      rows: R, float64 [h, H].
      columns: W, float64 [w, W].
    """

    def __init__(
        self, shape: tuple[int, ...], rows: np.ndarray, columns: np.ndarray
    ) -> None:
        super().__init__(shape, (len(rows), len(columns), shape[2]))
        self._rows, self._columns = rows, columns
        self._left = np.linalg.svd(rows, full_matrices=False)
        self._right = np.linalg.svd(columns, full_matrices=False)
        values = self._left.S[:, None] * self._right.S[None]
        self._values = np.where(values < _NIL * values.max(), 0.0, values)[..., None]

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        return _both(x, self._rows, self._columns)

    def adjoint(self, y: tf.Tensor, at: tf.Tensor | None = None) -> tf.Tensor:
        return _both(y, self._rows.T, self._columns.T)

    def pinv(self, y: tf.Tensor, ridge: tf.Tensor | float = 0.0) -> tf.Tensor:
        factors = reciprocal(tf.constant(self._values, y.dtype), ridge)
        spectrum = factors * _both(y, self._left.U.T, self._right.U.T)
        return _both(spectrum, self._left.Vh.T, self._right.Vh.T)


def _both(x: tf.Tensor, rows: np.ndarray, columns: np.ndarray) -> tf.Tensor:
    left, right = tf.constant(rows, x.dtype), tf.constant(columns, x.dtype)
    return tf.einsum("hi,nijc,wj->nhwc", left, x, right)


def mean_pooled(shape: tuple[int, ...], factor: int) -> Separable:
    """Means over squares of factor x factor pixels.

    Raises:
      InputError: the factor does not divide the sides.
    """
    _check(shape, factor)
    made = Separable(shape, *(_means(side, factor) for side in shape[:2]))
    made.tight = factor**-2.0
    return made


def bicubic(shape: tuple[int, ...], factor: int) -> Separable:
    """Keys' cubic kernel (a = -1/2), widened by the factor, its edges mirrored.

    Raises:
      InputError: the factor does not divide the sides.
    """
    _check(shape, factor)
    return Separable(shape, *(_cubic(side, factor) for side in shape[:2]))


def _check(shape: tuple[int, ...], factor: int) -> None:
    if factor < 2 or shape[0] % factor or shape[1] % factor:
        raise InputError(
            f"cannot divide pictures of {shape[1]}x{shape[0]} pixels by {factor}; give "
            "a number from 2 on that divides both"
        )


def _means(side: int, factor: int) -> np.ndarray:
    return np.repeat(np.eye(side // factor), factor, axis=1) / factor


def _cubic(side: int, factor: int) -> np.ndarray:
    matrix = np.zeros((side // factor, side))
    for row, weights in enumerate(matrix):
        centre = (row + 0.5) * factor - 0.5
        taps = np.arange(int(centre) - 2 * factor, int(centre) + 2 * factor + 2)
        kernel = _keys(np.abs(taps - centre) / factor)
        mirrored = np.abs(taps + 0.5) - 0.5  # beyond the first pixel
        mirrored = side - 0.5 - np.abs(mirrored - (side - 0.5))  # and the last
        inside = np.clip(np.round(mirrored).astype(int), 0, side - 1)
        np.add.at(weights, inside, kernel / kernel.sum())
    return matrix


def _keys(u: np.ndarray) -> np.ndarray:
    """The cubic convolution kernel (Keys, 1981) at distances u."""
    near, far = 1.5 * u**3 - 2.5 * u**2 + 1, -0.5 * u**3 + 2.5 * u**2 - 4 * u + 2
    return np.where(u < 1, near, np.where(u < 2, far, 0.0))
