"""Residual, attention and resampling blocks (Appendix C; arXiv 2105.05233)."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from pdm_tf.networks.layers import GroupNorm, conv, dense

_HEAD_CHANNELS = 64  # of each attention head
_OPEN_GATE = 2.0  # a class gate starts at sigmoid(2) = 0.88

Shape = tuple[int | None, ...]


class ResidualBlock(keras.layers.Layer):
    """Two convolutions, told the time by scale and shift, the class by a gate.

    Takes x [B, H, W, in], the time embedding [1 or B, T] and, with a gate, the class
    embedding [B, E]; returns [B, H, W, channels].

    Args:
      channels: channels of the output.
      time_channels: width T of the time embedding.
      gate_channels: width E of the class embedding; 0 for no gate.
      project: send x through a 1×1 convolution on its way around, as the decoder does.
    """

    def __init__(
        self,
        channels: int,
        time_channels: int,
        gate_channels: int = 0,
        project: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.time_channels, self.gate_channels = time_channels, gate_channels
        self.norm_in = GroupNorm(name="norm_in", dtype=self.dtype_policy)
        self.conv_in = conv(channels, 3, name="conv_in", dtype=self.dtype_policy)
        self.time = dense(2 * channels, zero=True, name="time", dtype=self.dtype_policy)
        self.norm_out = GroupNorm(
            affine=False, name="norm_out", dtype=self.dtype_policy
        )
        self.conv_out = conv(
            channels, 3, zero=True, name="conv_out", dtype=self.dtype_policy
        )
        self.channels = channels
        self.gate = self.skip = None
        if gate_channels:
            self.gate = dense(channels, name="gate", dtype=self.dtype_policy)
        if project:
            self.skip = conv(channels, 1, name="skip", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        inner = (*input_shape[:-1], self.channels)
        self.norm_in.build(input_shape)
        self.conv_in.build(input_shape)
        self.time.build((None, self.time_channels))
        self.norm_out.build(inner)
        self.conv_out.build(inner)
        if self.gate:
            self.gate.build((None, self.gate_channels))
        if self.skip:
            self.skip.build(input_shape)
        self.built = True

    def call(
        self, x: tf.Tensor, time: tf.Tensor, classes: tf.Tensor | None = None
    ) -> tf.Tensor:
        scale, shift = tf.split(self.time(time), 2, axis=-1)
        h = self.conv_in(tf.nn.silu(self.norm_in(x)))
        h = self.conv_out(tf.nn.silu(self.norm_out(h, scale, shift)))
        if self.gate:
            gate = tf.sigmoid(self.gate(classes) + _OPEN_GATE)
            h *= tf.reshape(gate, [-1, 1, 1, self.channels])
        return (self.skip(x) if self.skip else x) + h


class AttentionBlock(keras.layers.Layer):
    """Self-attention over the patches of a grid, added to its input."""

    def __init__(self, channels: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.channels = channels
        self.heads = max(channels // _HEAD_CHANNELS, 1)
        self.norm = GroupNorm(name="norm", dtype=self.dtype_policy)
        self.qkv = dense(3 * channels, name="qkv", dtype=self.dtype_policy)
        self.out = dense(channels, zero=True, name="out", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        self.norm.build(input_shape)
        self.qkv.build((None, self.channels))
        self.out.build((None, self.channels))
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        length, channels = x.shape[1] * x.shape[2], self.channels
        h = self.qkv(tf.reshape(self.norm(x), [-1, channels]))
        h = tf.reshape(h, [-1, length, 3, self.heads, channels // self.heads])
        q, k, v = tf.unstack(tf.transpose(h, [2, 0, 3, 1, 4]))  # [B, heads, L, d]
        q *= (channels // self.heads) ** -0.5  # before the product, which may overflow
        weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True))
        h = tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3])
        h = self.out(tf.reshape(h, [-1, channels]))
        return x + tf.reshape(h, [-1, *x.shape[1:]])


class Downsample(keras.layers.Layer):
    """Half the height and width, by a 3×3 convolution of stride 2."""

    def __init__(self, channels: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.conv = conv(channels, 3, strides=2, name="conv", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        self.conv.build(input_shape)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.conv(x)


class Upsample(keras.layers.Layer):
    """Twice the height and width: nearest neighbours and a 3×3 convolution, in one.

    Of the nine pixels that the kernel sees only four differ, so that the same map is a
    transposed convolution of stride 2 with a 4×4 kernel, at 4/9 of the operations.
    """

    def __init__(self, channels: int, **settings: Any) -> None:
        super().__init__(autocast=False, **settings)  # kernels are summed in float32
        self.conv = conv(channels, 3, name="conv", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        self.conv.build(input_shape)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        kernel = tf.cast(_once(_doubled, self.conv.kernel.value), x.dtype)
        size = [tf.shape(x)[0], 2 * x.shape[1], 2 * x.shape[2], self.conv.filters]
        h = tf.nn.conv2d_transpose(x, kernel, size, strides=2, padding="SAME")
        return tf.nn.bias_add(h, tf.cast(self.conv.bias.value, x.dtype))


def _once(change: Callable[[tf.Tensor], tf.Tensor], weight: tf.Tensor) -> tf.Tensor:
    """A change of a weight: made now where the weight is a constant of the graph.

    TensorFlow's optimiser does so too, but only where the result is small.
    """
    known = None if tf.executing_eagerly() else tf.get_static_value(weight)
    if known is None:
        return change(weight)
    with tf.init_scope():
        changed = change(tf.constant(known)).numpy()
    return tf.constant(changed)


def _doubled(kernel: tf.Tensor) -> tf.Tensor:
    """[3, 3, in, out] of a convolution after doubling -> [4, 4, out, in] of both."""
    shifts = ((0, 1), (1, 0))
    moved = [
        tf.pad(kernel, [rows, columns, (0, 0), (0, 0)])
        for rows in shifts
        for columns in shifts
    ]
    return tf.transpose(tf.reverse(tf.add_n(moved), [0, 1]), [0, 1, 3, 2])


def build_in_turn(layers: list, channels: int) -> int:
    """Builds layers that follow each other; returns the channels of the last."""
    for layer in layers:
        layer.build((None, None, None, channels))
        made = getattr(layer, "channels", None) or layer.conv.filters
        channels = made
    return channels


def apply_in_turn(
    layers: list, h: tf.Tensor, time: tf.Tensor, classes: tf.Tensor | None
) -> tf.Tensor:
    """Sends h through layers that follow each other; only some hear time and class."""
    for layer in layers:
        told = isinstance(layer, ResidualBlock)
        h = layer(h, time, classes) if told else layer(h)
    return h
