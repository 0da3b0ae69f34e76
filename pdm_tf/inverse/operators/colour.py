"""Less colour: grey pictures, and pictures with too much light."""

import numpy as np
import tensorflow as tf

from pdm_tf.errors import InputError
from pdm_tf.inverse.operators.operator import Nonlinear, Tight

LUMA = np.array([0.299, 0.587, 0.114])  # of red, green, blue (ITU-R BT.601)


class Grayscale(Tight):
    """The luma of colour pictures: [N, H, W, 1].

    Raises:
      InputError: pictures that are grey already.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        if shape[2] != 3:
            raise InputError(f"needs pictures of 3 channels, and these have {shape[2]}")
        super().__init__(shape, (*shape[:2], 1))
        self.tight = float(LUMA @ LUMA)

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(x * tf.constant(LUMA, x.dtype), axis=-1, keepdims=True)

    def adjoint(self, y: tf.Tensor, at: tf.Tensor | None = None) -> tf.Tensor:
        return y * tf.constant(LUMA, y.dtype)


class Overexposed(Nonlinear):
    """clip(gain·x, -1, 1): the bright and the dark are lost (high dynamic range)."""

    def __init__(self, shape: tuple[int, ...], gain: float) -> None:
        super().__init__(shape, shape)
        self.gain = gain

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(self.gain * x, -1.0, 1.0)

    def pinv(self, y: tf.Tensor, ridge: tf.Tensor | float = 0.0) -> tf.Tensor:
        return y / self.gain
