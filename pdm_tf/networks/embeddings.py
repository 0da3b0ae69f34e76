"""Fixed sine codes of time and place (Appendix C)."""

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


def position_code(height: int, width: int, channels: int) -> np.ndarray:
    """2-D code of a grid: float32 [height, width, channels], column first, then row.

    Sines only. Each axis spans the same range of angles whatever its length: 64
    divided by the length, times the index.
    """
    half = channels // 2

    def axis(length: int, count: int) -> np.ndarray:
        index = np.arange(length) * (64.0 / length)
        return np.sin(index[:, None] * _frequencies(count))

    columns = np.broadcast_to(axis(width, half), (height, width, half))
    rows = axis(height, channels - half)[:, None, :]
    rows = np.broadcast_to(rows, (height, width, channels - half))
    return np.concatenate([columns, rows], axis=-1).astype(np.float32)
