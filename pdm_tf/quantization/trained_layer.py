"""A quantised layer under training: what is rounded, and the grids, are learned."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.rounding import spread_over_inputs
from pdm_tf.quantization.uniform import fake_quantized_by, rounded_through


class TrainedLayer(LayerTransform):
    """Computes what a layer of few bits will compute once it is stored, bit for bit,
    with gradients straight through every rounding.

    Variables, all zero at the start, where the layer computes what it did: `low` and
    `high` [S, A], by how much the ends of ranges move in units of their first widths;
    `log_scale` [G, out], logarithms of factors of the weights' scales. Besides, the
    variables of `above`.

    Args:
      layer: where this starts, and where what is learned is stored.
      kernel: what is rounded; None: the layer's codes stay.
      above: changes that kernel before it is rounded, such as an adapter.
      scales: whether scales of weights learn.
      ranges: whether ranges of the input learn.
    """

    low: tf.Variable
    high: tf.Variable
    log_scale: tf.Variable

    def __init__(
        self,
        layer: QuantizedLayer,
        kernel: np.ndarray | None = None,
        above: LayerTransform | None = None,
        scales: bool = False,
        ranges: bool = True,
    ) -> None:
        self._layer, self._start = layer, kernel
        self._above = above or LayerTransform()
        if kernel is not None:
            self._scale = spread_over_inputs(layer, layer.scale.numpy())
            self._zero = np.float32(spread_over_inputs(layer, layer.zero.numpy()))
            if scales:
                self.log_scale = tf.Variable(tf.zeros(layer.scale.shape))
        elif layer.spec.weights is not None and layer.shape:
            # Unpacked once, and not in every step.
            self._fixed = layer.kernel(tf.zeros([])).numpy()
        self._ranges = ranges and layer.spec.activations is not None
        if layer.spec.activations is not None:
            self._ends = layer.low.numpy(), layer.high.numpy()
        if self._ranges:
            self.low = tf.Variable(tf.zeros(layer.low.shape))
            self.high = tf.Variable(tf.zeros(layer.low.shape))

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        return {**super().variables, **self._above.variables}

    def scale(self) -> tf.Tensor:
        """Scales of the weights, [in or 1, out]."""
        if not hasattr(self, "log_scale"):
            return tf.constant(self._scale)
        factors = tf.exp(self.log_scale)
        if self._layer.weight_groups > 1:
            factors = tf.gather(factors, self._layer.side_of)
        return self._scale * factors

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        if self._start is None:
            fixed = getattr(self, "_fixed", None)
            return w if fixed is None else tf.cast(tf.constant(fixed), w.dtype)
        assert self._layer.spec.weights is not None
        whole = self._above.kernel(tf.constant(self._start))
        bits = self._layer.spec.weights.bits
        made = fake_quantized_by(whole, self.scale(), tf.constant(self._zero), bits)
        return tf.cast(made, w.dtype)

    def ends(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Ends of the input's ranges, [S, A] each; zero is always within."""
        low, high = map(tf.constant, self._ends)
        if self._ranges:
            wide = high - low
            low, high = low + wide * self.low, high + wide * self.high
        return tf.minimum(low, 0.0), tf.maximum(high, 0.0)

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        if self._layer.spec.activations is None:
            return x
        return self._layer.rounded_inputs(x, t, *self.ends(), rounded_through)

    def output(self, y: tf.Tensor, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        return self._layer.output(y, x, t)

    def store(self) -> None:
        """Gives the layer what was learned: adapters are in its codes."""
        if self._start is not None:
            self._store_kernel()
        if self._ranges:
            self._layer.set_ranges(*(end.numpy() for end in self.ends()))

    def _store_kernel(self) -> None:
        assert self._layer.spec.weights is not None
        most = 2.0**self._layer.spec.weights.bits - 1.0
        whole, scale = self._above.kernel(tf.constant(self._start)), self.scale()
        codes = tf.clip_by_value(tf.round(whole / scale) + self._zero, 0.0, most)
        stored = self._layer.scale.numpy()
        if hasattr(self, "log_scale"):
            stored = np.asarray(stored * tf.exp(self.log_scale))
        zero = self._layer.zero.numpy()
        self._layer.set_weights(codes.numpy().astype(np.int32), stored, zero)
