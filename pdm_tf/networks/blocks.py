"""Residual, attention and resampling blocks (Appendix C; arXiv 2105.05233)."""

from typing import Any

import keras
import tensorflow as tf

from pdm_tf.networks.derivatives import silu
from pdm_tf.networks.layers import GroupNorm, conv, dense, upsampling_conv
from pdm_tf.networks.recomputation import apply_recomputed
from pdm_tf.networks.transforms import apply_transform, path_of
from pdm_tf.networks.watching import report_block

_HEAD_CHANNELS = 64  # of each attention head
_OPEN_GATE = 2.0  # a class gate starts at sigmoid(2) = 0.88

Shape = tuple[int | None, ...]


class ResidualBlock(keras.layers.Layer):
    """Two convolutions, conditioned on time by scale and shift, on class by a gate.

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
        h = self.conv_in(silu(self.norm_in(x)))
        h = self.conv_out(silu(self.norm_out(h, scale, shift)))
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

    def call(self, x: tf.Tensor, *conditions: Any) -> tf.Tensor:
        length, channels = x.shape[1] * x.shape[2], self.channels
        h = self.qkv(tf.reshape(self.norm(x), [-1, channels]))
        h = tf.reshape(h, [-1, length, 3, self.heads, channels // self.heads])
        q, k, v = tf.unstack(tf.transpose(h, [2, 0, 3, 1, 4]))  # [B, heads, L, d]
        q *= (channels // self.heads) ** -0.5  # before the product, which may overflow
        q, k, v = (
            self._point("query", q),
            self._point("key", k),
            self._point("value", v),
        )
        weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True))
        weights = self._point("softmax", weights)
        h = tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3])
        h = self.out(tf.reshape(h, [-1, channels]))
        return x + tf.reshape(h, [-1, *x.shape[1:]])

    def _point(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """A factor of the products, as the plan in force changes it."""
        return apply_transform(path_of(self.qkv)[:-3] + name, x, lambda x, _: x)


class Downsample(keras.layers.Layer):
    """Half the height and width, by a 3×3 convolution of stride 2."""

    def __init__(self, channels: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.channels = channels
        self.conv = conv(channels, 3, strides=2, name="conv", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        self.conv.build(input_shape)
        self.built = True

    def call(self, x: tf.Tensor, *conditions: Any) -> tf.Tensor:
        return self.conv(x)


class Upsample(keras.layers.Layer):
    """Twice the height and width, by nearest neighbours and a 3×3 convolution."""

    def __init__(self, channels: int, **settings: Any) -> None:
        super().__init__(autocast=False, **settings)  # kernels are summed in float32
        self.channels = channels
        self.conv = upsampling_conv(channels, name="conv", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        self.conv.build(input_shape)
        self.built = True

    def call(self, x: tf.Tensor, *conditions: Any) -> tf.Tensor:
        return self.conv(x)


def build_in_turn(layers: list, channels: int) -> int:
    """Builds layers that follow each other; returns the channels of the last."""
    for layer in layers:
        layer.build((None, None, None, channels))
        channels = layer.channels
    return channels


def apply_in_turn(
    layers: list, h: tf.Tensor, time: tf.Tensor, classes: tf.Tensor | None
) -> tf.Tensor:
    """Sends h through layers that follow each other, each with time and class."""
    for layer in layers:
        x = h
        if isinstance(layer, ResidualBlock | AttentionBlock):
            h = apply_recomputed(layer, x, time, classes)
        else:  # one convolution, of which nothing but the input is kept anyway
            h = layer(x, time, classes)
        report_block(layer, (x, time, classes), h)
    return h
