"""The layers that the U-Net is made of; every convolution and projection is made here.

So quantisation and adapters have one place to take hold, and numerics one place to be
checked.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from pdm_tf.networks.derivatives import is_derived_by_tensorflow
from pdm_tf.networks.transforms import LayerTransform, apply_transform, path_of

EPSILON = 1e-3  # of group normalisation, as in the paper's tensorflow-addons layer


class Transformable:
    """A layer with a kernel and a bias that a plan can transform."""

    kernel: keras.Variable
    bias: keras.Variable | None

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return apply_transform(path_of(self), x, self._transformed)

    def _transformed(self, x: tf.Tensor, transform: LayerTransform) -> tf.Tensor:
        whole = self.kernel.value
        if tf.is_tensor(transform.guidance):  # an input: nothing can be made ahead
            y = self.apply_kernel(x, transform.kernel(whole))
        else:
            y = self.apply_kernel(x, folded(transform.kernel, whole))
        if self.bias is None:
            return y
        return tf.nn.bias_add(y, tf.cast(self.bias.value, x.dtype))

    def apply_kernel(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The layer without its bias, with a kernel of the shape of its own."""
        raise NotImplementedError


class Conv(Transformable, keras.layers.Conv2D):
    """Keras' convolution, with the addition of the bias that runtimes fuse into it."""

    def apply_kernel(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(x, kernel, self.strides, self.padding.upper())


class UpsamplingConv(Conv):
    """Twice the height and width by nearest neighbours, and a 3×3 convolution, in one.

    Of the nine pixels that the kernel sees only four differ, so that the same map is a
    transposed convolution of stride 2 with a 4×4 kernel, at 4/9 of the operations.
    Kernels are summed in float32 whatever the layer computes in.
    """

    def apply_kernel(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        kernel = tf.cast(folded(_doubled, kernel), x.dtype)
        size = [tf.shape(x)[0], 2 * x.shape[1], 2 * x.shape[2], self.filters]
        return tf.nn.conv2d_transpose(x, kernel, size, strides=2, padding="SAME")


class Dense(Transformable, keras.layers.Dense):
    """Keras' projection, for [N, in] alone, with a bias that is fused as in `Conv`."""

    def apply_kernel(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, kernel)


def folded(change: Callable[[tf.Tensor], tf.Tensor], weight: tf.Tensor) -> tf.Tensor:
    """A change of a weight: made now where the weight is a constant of the graph.

    TensorFlow's optimiser does so too, but only where the result is small.
    """
    known = None if tf.executing_eagerly() else tf.get_static_value(weight)
    if known is None:
        return change(weight)
    with tf.init_scope():
        given = tf.constant(known)
        made = change(given)
        changed = None if made is given else tf.convert_to_tensor(made).numpy()
    return weight if changed is None else tf.constant(changed)


def _doubled(kernel: tf.Tensor) -> tf.Tensor:
    """[3, 3, in, out] of a convolution after doubling -> [4, 4, out, in] of both."""
    shifts = ((0, 1), (1, 0))
    moved = [
        tf.pad(kernel, [rows, columns, (0, 0), (0, 0)])
        for rows in shifts
        for columns in shifts
    ]
    return tf.transpose(tf.reverse(tf.add_n(moved), [0, 1]), [0, 1, 3, 2])


def upsampling_conv(channels: int, **settings: Any) -> UpsamplingConv:
    """A 3×3 convolution of a grid of twice the height and width."""
    return UpsamplingConv(channels, 3, padding="same", autocast=False, **settings)


def conv(channels: int, kernel: int, *, zero: bool = False, **settings: Any) -> Conv:
    """A same-padded convolution; zero starts it as the zero map."""
    start = "zeros" if zero else "glorot_uniform"
    return Conv(channels, kernel, padding="same", kernel_initializer=start, **settings)


def dense(channels: int, *, zero: bool = False, **settings: Any) -> Dense:
    """A projection [N, in] -> [N, channels]; zero starts it as the zero map."""
    start = "zeros" if zero else "glorot_uniform"
    return Dense(channels, **{"kernel_initializer": start} | settings)


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
        channels = x.shape[-1]
        grouped = [-1, self.groups, channels // self.groups]
        mean, factor = _statistics(tf.cast(x, tf.float32), grouped)
        if self.affine:
            factor *= tf.reshape(self.gamma.value, grouped[1:])
            offset = tf.reshape(self.beta.value, grouped[1:]) - mean * factor
        elif scale is not None and shift is not None:
            factor *= 1.0 + tf.reshape(tf.cast(scale, tf.float32), grouped)
            offset = tf.reshape(tf.cast(shift, tf.float32), grouped) - mean * factor
        else:
            factor *= tf.ones(grouped[1:])
            offset = -mean * factor
        factor, offset = (
            tf.cast(tf.reshape(value, [-1, 1, 1, channels]), x.dtype)
            for value in (factor, offset)
        )
        return x * factor + offset


def _statistics(x: tf.Tensor, grouped: list[int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and 1 / standard deviation of each group, [B, groups, 1].

    With the gradient in closed form, which reads x once where TensorFlow's own would
    write as much as x seven times.
    """
    if is_derived_by_tensorflow():
        return _grouped_statistics(x, grouped)

    @tf.custom_gradient
    def statistics(x: tf.Tensor) -> Any:
        mean, factor = _grouped_statistics(x, grouped)

        def gradient(of_mean: tf.Tensor, of_factor: tf.Tensor) -> tf.Tensor:
            size = tf.cast(tf.reduce_prod(tf.shape(x)[1:3]) * grouped[2], x.dtype)
            slope = -of_factor * factor**3 / size  # of x - mean
            level = of_mean / size - slope * mean
            slope, level = (
                tf.reshape(tf.repeat(value, grouped[2], 2), [-1, 1, 1, x.shape[-1]])
                for value in (slope, level)
            )
            return x * slope + level

        return (mean, factor), gradient

    return statistics(x)


def _grouped_statistics(
    x: tf.Tensor, grouped: list[int]
) -> tuple[tf.Tensor, tf.Tensor]:
    means = _mean_of_pixels(x)
    # Squares of what is left after the mean: E[x²] - E[x]² would cancel where the mean
    # is many deviations.
    centre = tf.reshape(means, [-1, 1, 1, x.shape[-1]])
    within = _mean_of_pixels(tf.math.squared_difference(x, centre))
    means = tf.reshape(means, grouped)
    mean = tf.reduce_mean(means, axis=2, keepdims=True)
    between = tf.math.squared_difference(means, mean)
    variance = tf.reshape(within, grouped) + between
    variance = tf.reduce_mean(variance, axis=2, keepdims=True)
    return mean, tf.math.rsqrt(variance + EPSILON)


def _mean_of_pixels(x: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] -> [B, C]; one axis at a time takes half as long on processors."""
    return tf.reduce_mean(tf.reduce_mean(x, axis=2), axis=1)
