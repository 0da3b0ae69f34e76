"""Blur: each picture convolved with a kernel, its edges joined to the opposite ones."""

import numpy as np
import tensorflow as tf

from pdm_tf.inverse.operators.fourier import spectrum_of, wide
from pdm_tf.inverse.operators.operator import Operator, reciprocal

# Singular values below are 0 in H itself: of bytes nothing could be found there, and
# the pseudo-inverse would be noise (DDRM, arXiv 2201.11793, takes the same bound).
_LOST = 0.03


class Blur(Operator):
    """A circular convolution, whose singular vectors are waves.

    Args:
      shape: (H, W, C).
      kernel: float64 [H, W], sum 1, its centre at [0, 0].
    """

    def __init__(self, shape: tuple[int, ...], kernel: np.ndarray) -> None:
        super().__init__(shape, shape)
        transfer = np.fft.fft2(kernel)
        self._transfer = np.where(np.abs(transfer) < _LOST, 0.0, transfer)[None, None]

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        return self._filtered(x, self._transfer)

    def adjoint(self, y: tf.Tensor, at: tf.Tensor | None = None) -> tf.Tensor:
        return self._filtered(y, self._transfer.conj())

    def pinv(self, y: tf.Tensor, ridge: tf.Tensor | float = 0.0) -> tf.Tensor:
        size = np.abs(self._transfer)
        gain = reciprocal(tf.constant(size, y.dtype), ridge)
        turn = np.where(size > 0, self._transfer.conj() / np.maximum(size, _LOST), 0.0)
        return self._filtered(y, turn, gain)

    @staticmethod
    def _filtered(
        x: tf.Tensor, transfer: np.ndarray, gain: tf.Tensor | None = None
    ) -> tf.Tensor:
        spectrum = spectrum_of(x) * tf.constant(transfer, wide(x.dtype))
        if gain is not None:
            spectrum *= tf.cast(gain, spectrum.dtype)
        return tf.transpose(tf.math.real(tf.signal.ifft2d(spectrum)), [0, 2, 3, 1])


def gaussian(shape: tuple[int, ...], std: float) -> Blur:
    """A normal kernel of a standard deviation in pixels."""
    falls = [np.exp(-0.5 * (_around(side) / std) ** 2) for side in shape[:2]]
    kernel = falls[0][:, None] * falls[1][None]
    return Blur(shape, kernel / kernel.sum())


def motion(shape: tuple[int, ...], length: float, angle: float) -> Blur:
    """A line of a length in pixels, at an angle in degrees from the horizontal."""
    along = np.linspace(-0.5, 0.5, 64 * max(1, round(length))) * length
    turned = np.deg2rad(angle)
    kernel = np.zeros(shape[:2])
    at = np.round([-along * np.sin(turned), along * np.cos(turned)]).astype(int)
    np.add.at(kernel, (at[0] % shape[0], at[1] % shape[1]), 1.0)
    return Blur(shape, kernel / kernel.sum())


def _around(side: int) -> np.ndarray:
    """Distances to pixel 0 on a circle of pixels."""
    place = np.arange(side)
    return np.minimum(place, side - place)
