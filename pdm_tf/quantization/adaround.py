"""Learned rounding: each weight goes down or up, whichever serves its block (AdaRound,
arXiv 2004.10568).
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.rounding import spread_over_inputs

STRETCH = 1.2  # of the sigmoid, so that 0 and 1 are reached
HOTTEST, COLDEST = 20.0, 2.0  # exponents of the penalty, first and last


class SoftRounded(LayerTransform):
    """A kernel between the codes below and above, which starts as the kernel itself:
    W' = s (clip(floor(W/s) + h + z) - z), h = clip(1.2 sigmoid(V) - 0.1, 0, 1).

    Args:
      layer: whose bits, scales and zeros count.
      kernel: what is rounded.
    """

    v: tf.Variable

    def __init__(self, layer: QuantizedLayer, kernel: np.ndarray) -> None:
        assert layer.spec.weights is not None
        self._layer, self._most = layer, 2**layer.spec.weights.bits - 1
        self._scale = spread_over_inputs(layer, layer.scale.numpy())
        self._zero = np.float32(spread_over_inputs(layer, layer.zero.numpy()))
        self._floor = np.floor(kernel / self._scale)
        start = self.start_of(kernel / self._scale - self._floor)
        self.v = tf.Variable(start, dtype=tf.float32)

    @staticmethod
    def start_of(rest: np.ndarray) -> np.ndarray:
        """V with which h is what a kernel is above the code below it, 0 to 1."""
        share = (np.clip(rest, 0.0, 1.0) + 0.1) / STRETCH
        return np.log(share / (1 - share))

    def logits(self) -> tf.Tensor:
        """What the sigmoid is taken of."""
        return tf.convert_to_tensor(self.v)

    def share(self) -> tf.Tensor:
        """h, in the kernel's shape."""
        return tf.clip_by_value(STRETCH * tf.sigmoid(self.logits()) - 0.1, 0.0, 1.0)

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        codes = self._floor + self.share() + self._zero
        codes = tf.clip_by_value(codes, 0.0, float(self._most))
        return tf.cast((codes - self._zero) * self._scale, w.dtype)

    def penalty(self, beta: tf.Tensor) -> tf.Tensor:
        """Sum of 1 - |2h - 1|^beta: 0 where all go up or down."""
        # A base of exactly 0 has no gradient of a power.
        off = tf.maximum(tf.abs(2.0 * self.share() - 1.0), 1e-6)
        return tf.reduce_sum(1.0 - tf.pow(off, beta))

    def codes(self) -> np.ndarray:
        """Every weight up or down as V says, int."""
        up = (self.v.numpy() >= 0).astype(np.float32)
        return np.clip(self._floor + up + self._zero, 0, self._most).astype(np.int32)

    def store(self) -> None:
        """Gives the layer the codes that were learned."""
        scale, zero = self._layer.scale.numpy(), self._layer.zero.numpy()
        self._layer.set_weights(self.codes(), scale, zero)


def temperature(step: int, steps: int, warm_up: float) -> tuple[float, bool]:
    """Exponent of the penalty at a step, and whether it counts yet.

    Args:
      step: from 0.
      steps: of the whole training.
      warm_up: share of the steps without a penalty.
    """
    begin = warm_up * steps
    share = max(0.0, step - begin) / max(1.0, steps - begin)
    return HOTTEST + (COLDEST - HOTTEST) * share, step >= begin


class Adam:
    """Adam (arXiv 1412.6980) of a few variables, within one training.

    Args:
      variables: what learns.
      rate: step size, of all or of each.
    """

    def __init__(
        self, variables: list[tf.Variable], rate: float | Sequence[float]
    ) -> None:
        self._variables = variables
        self._rates = np.broadcast_to(np.asarray(rate, np.float32), [len(variables)])
        self.m = [tf.Variable(tf.zeros_like(v)) for v in variables]
        self.v = [tf.Variable(tf.zeros_like(v)) for v in variables]

    def apply(
        self, gradients: list[tf.Tensor], count: tf.Tensor, share: tf.Tensor | float = 1
    ) -> None:
        """One step.

        Args:
          gradients: of each variable.
          count: steps with this one, float32 [].
          share: factor of the step size.
        """
        corrected = share * tf.sqrt(1.0 - 0.999**count) / (1.0 - 0.9**count)
        slots = zip(
            self._variables, self._rates, self.m, self.v, gradients, strict=True
        )
        for variable, rate, m, v, gradient in slots:
            m.assign(0.9 * m + 0.1 * gradient)
            v.assign(0.999 * v + 0.001 * tf.square(gradient))
            variable.assign_sub(rate * corrected * m / (tf.sqrt(v) + 1e-8))
