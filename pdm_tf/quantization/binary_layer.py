"""Layers whose weights are signs: one or two bits each, and scales for each output.

w_b = s1·sgn(w) + s2·sgn(w - s1·sgn(w)), with one basis or with two (arXiv 2404.05662).
sgn(0) is 1, since a bit knows no third value.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from math import prod
from typing import Any, Self

import numpy as np
import tensorflow as tf

from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.packing import pack, packed_size, unpack
from pdm_tf.quantization.spec import LayerSpec
from pdm_tf.quantization.uniform import fake_quantized_by


@tf.custom_gradient
def sign(w: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """-1 or 1, with a gradient of 1 where |w| ≤ 1 and of 0 elsewhere."""
    inside = tf.cast(tf.abs(w) <= 1.0, w.dtype)
    return tf.where(w >= 0.0, 1.0, -1.0), lambda upstream: upstream * inside


def find_scales(kernel: np.ndarray, bases: int) -> np.ndarray:
    """The scales of least squares given the signs, float32 [bases, out]: mean |w|."""
    rest, found = kernel.reshape(-1, kernel.shape[-1]).astype(np.float64), []
    for _ in range(bases):
        found.append(np.abs(rest).mean(axis=0))
        rest = rest - found[-1] * np.where(rest >= 0, 1.0, -1.0)
    return np.stack(found).astype(np.float32)


class BinaryLayer(QuantizedLayer):
    """Reads its kernel from packed signs.

    Variables: `codes` uint8 [bytes], a bit for each basis of each weight; `scales`
    float32 [bases, out]; `shift` float32 [out], added to what the layer gives; `low`
    and `high` of its input, see `QuantizedLayer`.

    Args:
      shape: of the kernel.
      spec: bits of weights are the number of bases.
    """

    def __init__(self, shape: Sequence[int], spec: LayerSpec) -> None:
        assert spec.weights is not None
        super().__init__(shape, replace(spec, weights=None))
        self.spec, self.bases = spec, spec.weights.bits
        packed = packed_size(prod(self.shape), self.bases)
        self.codes = tf.Variable(tf.zeros([packed], tf.uint8), name="codes")
        self.scales = tf.Variable(tf.ones([self.bases, self.shape[-1]]), name="scales")
        self.shift = tf.Variable(tf.zeros([self.shape[-1]]), name="shift")

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        codes = unpack(self.codes, self.bases, prod(self.shape))
        codes, made = tf.reshape(codes, self.shape), tf.zeros([])
        scales = tf.convert_to_tensor(self.scales)
        for i in range(self.bases):
            bit = tf.bitwise.right_shift(codes, self.bases - 1 - i) & 1
            made += scales[i] * tf.cast(2 * bit - 1, tf.float32)
        return tf.cast(made, w.dtype)

    def output(self, y: tf.Tensor, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        return y + tf.cast(tf.convert_to_tensor(self.shift), y.dtype)

    def store(self, kernel: np.ndarray, scales: np.ndarray, shift: np.ndarray) -> None:
        """Stores the signs of a kernel.

        Args:
          kernel: float32, of the layer's shape.
          scales: [bases, out].
          shift: [out].
        """
        codes, rest = np.zeros(self.shape, np.int64), kernel
        for scale in scales:
            up = rest >= 0
            codes, rest = 2 * codes + up, rest - scale * np.where(up, 1.0, -1.0)
        self.codes.assign(pack(codes, self.bases))
        self.scales.assign(scales)
        self.shift.assign(shift)


class TrainedBinary(LayerTransform):
    """A binary layer under training: real weights are behind its signs.

    Variables: `weights`; `log_scales` [bases, out], unless scales follow the weights;
    `shift`; `log_step` [], of what is read (LSQ, arXiv 1902.08153), in logarithm as
    the scales are, so that one rate of learning suits all.

    Args:
      layer: where what is learned is stored.
      kernel: where the weights start.
      step: where the step of the input starts.
      started: bases at the start, at least those of the layer; those that are more
        fade, see `at`.
      learned: whether scales are learned; otherwise they are mean |w|.
    """

    log_scales: tf.Variable

    def __init__(
        self,
        layer: BinaryLayer,
        kernel: np.ndarray,
        step: float,
        started: int,
        learned: bool = True,
    ) -> None:
        form = layer.spec.activations
        self._layer, self._bits = layer, form.bits if form else 0
        self._bases, self._share = max(started, layer.bases), tf.constant(0.0)
        self.weights = tf.Variable(kernel)
        if learned:
            scales = np.maximum(find_scales(kernel, self._bases), 1e-8)
            self.log_scales = tf.Variable(np.log(scales))
        self.shift = tf.Variable(tf.zeros([kernel.shape[-1]]))
        if form:
            self.log_step = tf.Variable(np.float32(np.log(step)))

    def at(self, share: tf.Tensor) -> Self:
        """The same with the bases beyond the layer's own at a share of their scales."""
        made: Any = copy(self)
        made._share = share
        return made

    def scales(self) -> list[tf.Tensor]:
        """Scales of the bases, [out] each."""
        if hasattr(self, "log_scales"):
            return tf.unstack(tf.exp(self.log_scales), num=self._bases)
        rest, found = tf.convert_to_tensor(self.weights), []
        for _ in range(self._bases):
            axes = list(range(len(rest.shape) - 1))
            found.append(tf.reduce_mean(tf.abs(rest), axis=axes))
            rest = rest - found[-1] * sign(rest)
        return found

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        rest, made = tf.convert_to_tensor(self.weights), tf.zeros([])
        for i, scale in enumerate(self.scales()):
            basis = scale * sign(rest)
            rest = rest - basis  # the gradient passes through both bases
            made += basis if i < self._layer.bases else self._share * basis
        return tf.cast(made, w.dtype)

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        if not self._bits:
            return x
        step, zero = tf.exp(self.log_step), tf.constant(2.0 ** (self._bits - 1))
        wide = tf.cast(x, tf.float32)
        return tf.cast(fake_quantized_by(wide, step, zero, self._bits), x.dtype)

    def output(self, y: tf.Tensor, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        return y + tf.cast(tf.convert_to_tensor(self.shift), y.dtype)

    def store(self) -> None:
        """Gives the layer what was learned: no real weight is left."""
        scales = np.stack([np.asarray(s) for s in self.scales()[: self._layer.bases]])
        self._layer.store(self.weights.numpy(), scales, self.shift.numpy())
        if self._bits:
            step, half = float(np.exp(self.log_step.numpy())), 2 ** (self._bits - 1)
            self._layer.set_ranges(
                *(
                    np.full((1, 1), code * step, np.float32)
                    for code in (-half, half - 1)
                )
            )
