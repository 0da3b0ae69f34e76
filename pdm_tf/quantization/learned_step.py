"""Activation quantisers whose step is trained (LSQ, arXiv 1902.08153)."""

import numpy as np
import tensorflow as tf

from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.uniform import fake_quantized_by, range_of


class LearnedStep(LayerTransform):
    """A quantised layer whose step is a variable, in logarithm: it stays positive, and
    one rate of learning suits steps of any size. The kernel is another transform's.

    Args:
      layer: has activations, of one group of timesteps; its ranges are where it starts.
      weights: changes the kernel.
    """

    def __init__(self, layer: QuantizedLayer, weights: LayerTransform) -> None:
        form = layer.spec.activations
        assert form is not None and layer.step_of is None
        low, high = layer.low.numpy()[0], layer.high.numpy()[0]
        step = (high - low) / (2**form.bits - 1)
        self.log_step = tf.Variable(np.log(step), dtype=tf.float32)  # [G]
        self._zero = np.round(-low / step).astype(np.float32)
        self._layer, self._weights, self._bits = layer, weights, form.bits

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        return self._weights.kernel(w)

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        step, zero = tf.exp(self.log_step), tf.constant(self._zero)
        if self._layer.input_groups > 1:
            group = self._layer.group_of
            step, zero = tf.gather(step, group), tf.gather(zero, group)
        wide = tf.cast(x, tf.float32)
        return tf.cast(fake_quantized_by(wide, step, zero, self._bits), x.dtype)

    def store(self) -> None:
        """Gives the layer the ranges that were learned."""
        step = np.exp(self.log_step.numpy())
        low, high = range_of(step, self._zero, self._bits)
        self._layer.set_ranges(low[None], high[None])
