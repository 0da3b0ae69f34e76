"""A layer whose weights and inputs are floating-point numbers of few bits."""

from collections.abc import Sequence
from math import prod

import numpy as np
import tensorflow as tf

from pdm_tf.quantization.adaround import SoftRounded
from pdm_tf.quantization.float_format import (
    EXPONENTS,
    codes_of,
    find_format,
    round_to_format,
    step_of,
    table_of,
    top_of,
)
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.observing import InputStatistics
from pdm_tf.quantization.packing import pack, packed_size, unpack
from pdm_tf.quantization.ranges import histogram_of
from pdm_tf.quantization.spec import LayerSpec


class FloatLayer(QuantizedLayer):
    """A quantised layer of floating-point formats.

    Variables: `codes` uint8 [bytes] and `largest` float32 [out], c of each output
    channel; `exponent` uint8 [], e of them all; `input_largest` float32 [] and
    `input_exponent` uint8 [] of what it reads.

    Args:
      shape: of the kernel; () for a point without one.
      spec: bits; 4 or 8.
    """

    def __init__(self, shape: Sequence[int], spec: LayerSpec) -> None:
        super().__init__(shape, LayerSpec())  # none of the variables of integers
        self.spec = spec
        if spec.weights is not None and shape:
            packed = packed_size(prod(shape), spec.weights.bits)
            self.codes = tf.Variable(tf.zeros([packed], tf.uint8), name="codes")
            self.largest = tf.Variable(tf.ones(shape[-1]), name="largest")
            self.exponent = tf.Variable(tf.constant(1, tf.uint8), name="exponent")
        if spec.activations is not None:
            self.input_largest = tf.Variable(1.0, name="input_largest")
            self.input_exponent = tf.Variable(
                tf.constant(1, tf.uint8), name="input_exponent"
            )

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        if self.spec.weights is None or not self.shape:
            return w
        bits = self.spec.weights.bits
        codes = tf.reshape(unpack(self.codes, bits, prod(self.shape)), self.shape)
        choices = sorted(EXPONENTS[bits])
        tables = tf.constant(np.stack([table_of(bits, e) for e in choices]))
        place = tf.cast(self.exponent, tf.int32) - choices[0]
        values = tf.gather(tables[place], codes)
        return tf.cast(values * tf.convert_to_tensor(self.largest), w.dtype)

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        if self.spec.activations is None:
            return x
        largest = tf.convert_to_tensor(self.input_largest)
        exponent = tf.cast(self.input_exponent, tf.int32)
        wide, bits = tf.cast(x, tf.float32), self.spec.activations.bits
        return tf.cast(round_to_format(wide, largest, bits, exponent), x.dtype)

    def round_kernel(self, kernel: np.ndarray) -> None:
        """Finds the format of least error of a kernel, and rounds it to nearest."""
        assert self.spec.weights is not None
        bits = self.spec.weights.bits
        exponent, largest = find_format(kernel.reshape(-1, kernel.shape[-1]), bits)
        self.exponent.assign(exponent)
        self.largest.assign(largest)
        self.store(round_to_format(tf.constant(kernel), largest, bits, exponent))

    def store(self, kernel: tf.Tensor) -> None:
        """Stores a kernel whose numbers are those of the format."""
        assert self.spec.weights is not None
        bits, largest = self.spec.weights.bits, self.largest.numpy()
        codes = codes_of(np.asarray(kernel), largest, bits, int(self.exponent.numpy()))
        self.codes.assign(pack(codes, bits))

    def fit_inputs(self, seen: InputStatistics) -> None:
        """Finds the format of least error of what the layer read."""
        assert self.spec.activations is not None
        every = np.arange(len(seen.low))
        centres, counts, _ = histogram_of(seen, every, np.ones(seen.low.shape[1], bool))
        bits = self.spec.activations.bits
        exponent, largest = find_format(
            centres[:, None].astype(np.float32), bits, counts
        )
        self.input_exponent.assign(exponent)
        self.input_largest.assign(np.ravel(largest)[0])


class SoftFloat(SoftRounded):
    """A kernel between the numbers below and above: W' = clip(s (floor(W/s) + h), ±c).

    s is that of each weight and stays. A weight's gradient grows with its s, which
    would leave small ones where they are; V is therefore divided by s, in units of the
    largest (arXiv 2503.15465, equation 8).

    Args:
      layer: whose format counts.
      kernel: what is rounded.
    """

    def __init__(self, layer: FloatLayer, kernel: np.ndarray) -> None:
        assert layer.spec.weights is not None
        self._layer: FloatLayer = layer
        self._largest = layer.largest.numpy()
        bits, exponent = layer.spec.weights.bits, int(layer.exponent.numpy())
        unit = self._largest / top_of(bits, exponent)
        held = np.clip(kernel, -self._largest, self._largest)
        self._scale = np.asarray(step_of(held / unit, bits, exponent) * unit)
        self._relative = self._scale / self._scale.max()
        self._floor = np.floor(held / self._scale)
        start = self.start_of(held / self._scale - self._floor)
        self.v = tf.Variable(start * self._relative, dtype=tf.float32)

    def logits(self) -> tf.Tensor:
        return self.v / self._relative

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        made = self._scale * (self._floor + self.share())
        return tf.cast(tf.clip_by_value(made, -self._largest, self._largest), w.dtype)

    def store(self) -> None:
        up = (self.v.numpy() >= 0).astype(np.float32)
        made = self._scale * (self._floor + up)
        self._layer.store(np.clip(made, -self._largest, self._largest))
