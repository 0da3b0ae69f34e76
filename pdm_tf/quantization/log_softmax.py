"""Attention's probabilities on a logarithmic grid: p' = d 2^-q."""

import tensorflow as tf

from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.spec import LayerSpec

LEAST = 1e-30  # of a probability, whose logarithm is taken


class LogSoftmax(QuantizedLayer):
    """Probabilities as powers of two below the largest of their head, which is found as
    they come. Rows do not sum to 1 any more, and are left so.

    Args:
      spec: bits of q.
    """

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__((), LayerSpec())
        self.spec = spec

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        assert self.spec.activations is not None
        p = tf.cast(x, tf.float32)
        largest = tf.reduce_max(p, axis=[-2, -1], keepdims=True)
        return tf.cast(log_rounded(p, largest, self.spec.activations.bits), x.dtype)


def log_rounded(p: tf.Tensor, largest: tf.Tensor, bits: int) -> tf.Tensor:
    """d 2^-q, q = clip(round(-log2(p / d)), 0, 2^bits - 1).

    Args:
      p: from 0 to d.
      largest: d, above 0; broadcasts to p.
      bits: of q.
    """
    halvings = -tf.math.log(tf.maximum(p / largest, LEAST)) / tf.math.log(2.0)
    q = tf.clip_by_value(tf.round(halvings), 0.0, 2.0**bits - 1.0)
    return largest * tf.pow(2.0, -q)
