"""A denoiser whose calls are counted as they end, for who waits for them."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.denoiser import Carry, Denoiser, Prediction, Wrapper
from pdm_tf.diffusion import NoiseLevel


class _Counted(Wrapper):
    """Calls a function after each evaluation; changes no estimate."""

    def __init__(self, denoise: Denoiser, note: Callable[[], None]) -> None:
        super().__init__(denoise)
        self._note = note

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        (x, variance), carry = self.denoise.predict(z, level, carry)
        ended = tf.reduce_sum(x[:1, :1, :1, :1])  # in the flow of data
        with tf.control_dependencies(
            [tf.numpy_function(self._ended, [ended], "int32")]
        ):
            return Prediction(tf.identity(x), variance), carry

    def _ended(self, _: np.ndarray) -> np.int32:
        self._note()
        return np.int32(0)


def counted(denoise: Denoiser, note: Callable[[], None]) -> Denoiser:
    """The same denoiser; `note` is called whenever an evaluation has ended.

    Samples on the machine where it was made; nothing of it can be exported.
    """
    return _Counted(denoise, note)
