"""Codes of any number of bits, one behind the other in bytes: 4 bits take 4 bits."""

from math import ceil

import numpy as np
import tensorflow as tf


def packed_size(count: int, bits: int) -> int:
    """Bytes that `count` codes of `bits` bits take."""
    return ceil(count * bits / 8)


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Codes, integers from 0 to 2^bits - 1 in any shape, as uint8 [bytes].

    Raises:
      ValueError: a code that needs more bits.
    """
    flat = np.asarray(codes).astype(np.int64).ravel()
    if flat.size and (flat.min() < 0 or flat.max() >= 2**bits):
        raise ValueError(f"codes from {flat.min()} to {flat.max()} in {bits} bits")
    digits = (flat[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.astype(np.uint8).ravel())


def _powers(bits: int) -> np.ndarray:
    return 2 ** np.arange(bits - 1, -1, -1, dtype=np.int32)


def unpack(packed: tf.Tensor, bits: int, count: int) -> tf.Tensor:
    """What `pack` was given, int32 [count]."""
    packed = tf.cast(packed, tf.int32)
    if bits == 8:
        return packed
    if bits == 16:
        high, low = packed[::2], packed[1::2]
        return 256 * high + low
    digits = tf.bitwise.right_shift(packed[:, None], tf.range(7, -1, -1)[None]) & 1
    digits = tf.reshape(tf.reshape(digits, [-1])[: count * bits], [count, bits])
    return tf.reduce_sum(digits * tf.constant(_powers(bits)), 1)
