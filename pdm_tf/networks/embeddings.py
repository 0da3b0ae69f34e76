"""Fixed sine codes of time and position (Appendix C)."""

import math

import numpy as np
import tensorflow as tf

_LONGEST = 10_000.0  # ratio of the longest wave to the shortest (arXiv 1706.03762)


def _frequencies(count: int) -> np.ndarray:
    return np.exp(-math.log(_LONGEST) * np.arange(count) / max(count - 1, 1))


def timestep_code(t: tf.Tensor, width: int) -> tf.Tensor:
    """Sines, then cosines, of t: int [B] -> float32 [B, width].

    Frequencies fall from 1 to 1e-4 over width // 2 channels; an odd width ends with a
    channel of zeros.
    """
    frequencies = tf.constant(_frequencies(width // 2), tf.float32)
    angle = tf.cast(t, tf.float32)[:, None] * frequencies
    code = tf.concat([tf.sin(angle), tf.cos(angle)], axis=1)
    return tf.pad(code, [[0, 0], [0, width % 2]])


def position_code(
    height: int, width: int, channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """2-D code of a grid: columns in the first half of the channels, rows in the other.

    Sines only. Each axis spans the same range of angles whatever its length: 64
    divided by the length, times the index.

    Returns:
      Float32 [1, width, channels] and [height, 1, channels], whose sum is the code:
      whole it is as large as what it is added to, and a graph holds ten copies of it.
    """
    half = channels // 2

    def axis(length: int, own: slice) -> np.ndarray:
        code = np.zeros([length, channels], np.float32)
        index = np.arange(length) * (64.0 / length)
        code[:, own] = np.sin(index[:, None] * _frequencies(code[:, own].shape[1]))
        return code

    columns, rows = axis(width, slice(half)), axis(height, slice(half, None))
    return columns[None], rows[:, None]
