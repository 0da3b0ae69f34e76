"""The layers that the U-Net is made of; every convolution and projection is made here.

So quantisation and adapters have one place to take hold, and numerics one place to be
checked.
"""

from typing import Any

import keras
import tensorflow as tf

EPSILON = 1e-3  # of group normalisation, as in the paper's tensorflow-addons layer


def conv(
    channels: int, kernel: int, *, zero: bool = False, **settings: Any
) -> keras.layers.Conv2D:
    """A same-padded convolution; zero starts it as the zero map."""
    start = "zeros" if zero else "glorot_uniform"
    return keras.layers.Conv2D(
        channels, kernel, padding="same", kernel_initializer=start, **settings
    )


def dense(channels: int, *, zero: bool = False, **settings: Any) -> keras.layers.Dense:
    """A projection of the last axis; zero starts it as the zero map."""
    start = "zeros" if zero else "glorot_uniform"
    return keras.layers.Dense(channels, kernel_initializer=start, **settings)


def group_count(channels: int) -> int:
    """32 groups as in the paper; for other widths the largest count that divides."""
    return max(groups for groups in range(1, 33) if channels % groups == 0)


class GroupNorm(keras.layers.Layer):
    """Group normalisation (arXiv 1803.08494) of [B, H, W, C], statistics in float32.

    Mean and variance are taken per channel first and combined on small tensors, and
    normalisation, scale and shift are one multiplication and one addition per pixel.
    """

    def __init__(self, *, affine: bool = True, **settings: Any) -> None:
        super().__init__(autocast=False, **settings)
        self.affine = affine

    def build(self, input_shape: tuple[Any, ...]) -> None:
        channels = int(input_shape[-1])
        self.groups = group_count(channels)
        if self.affine:
            settings: dict[str, Any] = {"dtype": "float32", "autocast": False}
            self.gamma = self.add_weight(
                shape=(channels,), initializer="ones", name="gamma", **settings
            )
            self.beta = self.add_weight(
                shape=(channels,), initializer="zeros", name="beta", **settings
            )
        self.built = True

    def call(
        self,
        x: tf.Tensor,
        scale: tf.Tensor | None = None,
        shift: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Normalised x, times gamma (or 1 + scale), plus beta (or shift).

        Args:
          x: [B, H, W, C].
          scale: [1 or B, C], of adaptive normalisation; used without affine.
          shift: [1 or B, C].
        """
        mean, factor = self._statistics(tf.cast(x, tf.float32))
        if self.affine:
            scale, shift = self.gamma - 1.0, self.beta
        if scale is not None and shift is not None:
            factor *= 1.0 + tf.cast(scale, tf.float32)
            offset = tf.cast(shift, tf.float32) - mean * factor
        else:
            offset = -mean * factor
        factor, offset = (
            tf.cast(value[:, None, None, :], x.dtype) for value in (factor, offset)
        )
        return x * factor + offset

    def _statistics(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and 1 / standard deviation of each channel's group, [B, C]."""
        size = x.shape[-1] // self.groups

        def grouped(value: tf.Tensor) -> tf.Tensor:
            value = tf.reshape(value, [-1, self.groups, size])
            return tf.reduce_mean(value, axis=2, keepdims=True)

        means = _mean_of_pixels(x)
        # Squares of what is left after the mean: E[x²] - E[x]² would cancel where the
        # mean is many deviations. No gradient is lost: the sum of x - mean is 0.
        centre = tf.stop_gradient(means)[:, None, None, :]
        within = _mean_of_pixels(tf.math.squared_difference(x, centre))
        mean = grouped(means)
        apart = tf.reshape(means, [-1, self.groups, size]) - mean
        between = tf.reduce_mean(tf.square(apart), axis=2, keepdims=True)
        variance = grouped(within) + between
        pair = tf.concat([mean, tf.math.rsqrt(variance + EPSILON)], axis=2)
        pair = tf.repeat(pair[:, :, None, :], size, axis=2)
        pair = tf.reshape(pair, [-1, self.groups * size, 2])
        return pair[..., 0], pair[..., 1]


def _mean_of_pixels(x: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] -> [B, C]; one axis at a time takes half as long on processors."""
    return tf.reduce_mean(tf.reduce_mean(x, axis=2), axis=1)
