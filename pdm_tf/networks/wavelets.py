"""A U-Net that halves and doubles its grid by gated Haar wavelets (arXiv 2211.17106).

A Haar transform is a 2×2 patch operation in another basis: what `patchify` with P = 2
lays side by side as four pixels, it turns by a fixed rotation into a mean and three
differences. Gates, which a picture's own means decide, say how much of each band goes
on; a small network need not learn which frequencies matter at which noise.
"""

from typing import Any

import keras
import tensorflow as tf

from pdm_tf.networks.derivatives import silu
from pdm_tf.networks.layers import conv, dense
from pdm_tf.networks.unet import PatchedUNet

BANDS = 4  # LL, LH, HL, HH
_OPEN = 2.0  # start of the gate of LL alone: equal gates would leave every second pixel
_NARROW = 4  # by how much the gates' hidden layer is narrower

Shape = tuple[int | None, ...]


def haar(x: tf.Tensor) -> list[tf.Tensor]:
    """Bands LL, LH, HL, HH [B, h/2, w/2, C] of x [B, h, w, C], both sides even.

    Orthonormal: the bands' squares sum up to those of x, and `inverse_haar` undoes it.
    """
    return _rotated(tf.split(tf.nn.space_to_depth(x, 2), BANDS, axis=-1))


def inverse_haar(bands: list[tf.Tensor]) -> tf.Tensor:
    """x [B, 2h, 2w, C] of its bands [B, h, w, C] each."""
    return tf.nn.depth_to_space(tf.concat(_rotated(bands), -1), 2)


def _rotated(parts: list[tf.Tensor]) -> list[tf.Tensor]:
    """The rotation of four pixels into four bands, which is its own inverse."""
    a, b, c, d = parts
    rows, columns = (a + b, c + d), (a - b, c - d)
    return [
        0.5 * (rows[0] + rows[1]),
        0.5 * (columns[0] + columns[1]),
        0.5 * (rows[0] - rows[1]),
        0.5 * (columns[0] - columns[1]),
    ]


class _Gates(keras.layers.Layer):
    """sigmoid(FFN(mean over the grid)) of x [B, h, w, C]: [B, 1, 1, gates].

    The first quarter, of LL, starts open, the others half open.
    """

    def __init__(self, gates: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.gates = gates

    def build(self, input_shape: Shape) -> None:
        channels = int(input_shape[-1] or 0)
        narrow = max(channels // _NARROW, 2)
        self.inner = dense(narrow, name="inner", dtype=self.dtype_policy)
        self.outer = dense(
            self.gates,
            name="outer",
            dtype=self.dtype_policy,
            bias_initializer=self._start,
        )
        self.inner.build((None, channels))
        self.outer.build((None, narrow))
        self.built = True

    def _start(self, shape: Any, dtype: Any = None) -> tf.Tensor:
        first = tf.range(self.gates) < self.gates // BANDS
        return tf.cast(tf.where(first, _OPEN, 0.0), dtype or tf.float32)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(tf.reduce_mean(x, axis=2), axis=1)
        opened = tf.sigmoid(self.outer(silu(self.inner(mean))))
        return tf.reshape(opened, [-1, 1, 1, self.gates])


class WaveletDown(keras.layers.Layer):
    """Half the height and width: the gated sum of the bands, then a 1×1 convolution."""

    def __init__(self, channels: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.channels = channels
        self.conv = conv(channels, 1, name="conv", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        gates = BANDS * int(input_shape[-1] or 0)
        self.gates = _Gates(gates, name="gates", dtype=self.dtype_policy)
        self.gates.build(input_shape)
        self.conv.build(input_shape)
        self.built = True

    def call(self, x: tf.Tensor, *conditions: Any) -> tf.Tensor:
        gates = tf.split(self.gates(x), BANDS, axis=-1)
        bands = haar(x)
        return self.conv(
            tf.add_n([gate * band for gate, band in zip(gates, bands, strict=True)])
        )


class WaveletUp(keras.layers.Layer):
    """Twice the height and width: channels of a 1×1 convolution, gated, are bands."""

    def __init__(self, channels: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.channels = channels
        self.conv = conv(BANDS * channels, 1, name="conv", dtype=self.dtype_policy)
        self.gates = _Gates(BANDS * channels, name="gates", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        self.conv.build(input_shape)
        self.gates.build(input_shape)
        self.built = True

    def call(self, x: tf.Tensor, *conditions: Any) -> tf.Tensor:
        bands = self.gates(x) * self.conv(x)
        return inverse_haar(tf.split(bands, BANDS, axis=-1))


@keras.saving.register_keras_serializable("pdm_tf")
class WaveletUNet(PatchedUNet):
    """The patched U-Net with wavelets in the place of strides and neighbours."""

    halver, doubler = WaveletDown, WaveletUp
