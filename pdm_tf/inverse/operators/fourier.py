"""Rows of the Fourier transform, as a scanner measures them (magnetic resonance)."""

import numpy as np
import tensorflow as tf

from pdm_tf.inverse.operators.operator import Operator, as_type

_CENTRE = 1 / 3  # of the rows that are measured: the lowest frequencies, always


def wide(dtype: tf.DType) -> tf.DType:
    """The complex type of a real one."""
    return tf.complex128 if dtype == tf.float64 else tf.complex64


def spectrum_of(x: tf.Tensor) -> tf.Tensor:
    """Fourier transform of each channel: complex [N, C, H, W]."""
    return tf.signal.fft2d(tf.cast(tf.transpose(x, [0, 3, 1, 2]), wide(x.dtype)))


class FourierRows(Operator):
    """Some rows of the transform, real and imaginary parts: [N, R, W, C, 2].

    A real picture has its spectrum twice: row k and row -k are conjugates. Where both
    are measured the singular values are 1, where one is sqrt(1/2), else 0.

    Args:
      shape: (H, W, C).
      kept: bool [H], frequency by frequency, 0 first.
    """

    def __init__(self, shape: tuple[int, ...], kept: np.ndarray) -> None:
        self._rows = np.flatnonzero(kept)
        super().__init__(shape, (len(self._rows), shape[1], shape[2], 2))
        self._place = np.full(shape[0], len(self._rows), np.int32)
        self._place[self._rows] = np.arange(len(self._rows))
        mirrored = kept[-np.arange(len(kept))]
        self._squared = np.mean([kept, mirrored], axis=0)[:, None]
        self._scale = float(np.sqrt(shape[0] * shape[1]))

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        rows = tf.gather(spectrum_of(x) / self._scale, self._rows, axis=2)
        parts = tf.stack([tf.math.real(rows), tf.math.imag(rows)], axis=-1)
        return tf.transpose(parts, [0, 2, 3, 1, 4])

    def adjoint(self, y: tf.Tensor, at: tf.Tensor | None = None) -> tf.Tensor:
        return self._back(self._filled(y))

    def pinv(self, y: tf.Tensor, ridge: tf.Tensor | float = 0.0) -> tf.Tensor:
        squared = tf.constant(self._squared, y.dtype)
        gain = tf.math.divide_no_nan(
            tf.ones_like(squared), squared + as_type(ridge, y.dtype)
        )
        # (HᵀH + ridge)⁻¹ Hᵀ; rows never measured have nothing in Hᵀ y to scale.
        spectrum = spectrum_of(self._back(self._filled(y)))
        spectrum *= tf.cast(gain, spectrum.dtype)
        return self._back(spectrum / self._scale)

    def _filled(self, y: tf.Tensor) -> tf.Tensor:
        """The spectrum, complex [N, C, H, W], zero where nothing was measured."""
        rows = tf.transpose(tf.complex(y[..., 0], y[..., 1]), [0, 3, 1, 2])
        padded = tf.pad(rows, [[0, 0], [0, 0], [0, 1], [0, 0]])
        return tf.gather(padded, self._place, axis=2)

    def _back(self, spectrum: tf.Tensor) -> tf.Tensor:
        x = tf.math.real(tf.signal.ifft2d(spectrum) * self._scale)
        return tf.transpose(x, [0, 2, 3, 1])


def fourier_rows(shape: tuple[int, ...], share: float, seed: int) -> FourierRows:
    """A share of the rows: the lowest frequencies, and others by chance."""
    height = shape[0]
    count = max(1, round(share * height))
    centre = max(1, round(_CENTRE * count))
    order = np.argsort(np.minimum(np.arange(height), height - np.arange(height)))
    rest = np.random.default_rng(seed).permutation(order[centre:])
    kept = np.zeros(height, bool)
    kept[order[:centre]] = kept[rest[: count - centre]] = True
    return FourierRows(shape, kept)
