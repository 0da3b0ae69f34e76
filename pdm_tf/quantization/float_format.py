"""Floating-point numbers of few bits: a sign, e exponent bits and m mantissa bits.

All codes are finite, and the bias is any real number, so that a format has a largest
number c of its own (FP8 quantization, arXiv 2208.09225). Here numbers are counted in a
unit in which the bias is 0: exponent field E from 1 on stands for 2^E (1 + M / 2^m),
field 0 for 2 M / 2^m; the largest is `top_of`.
"""

import numpy as np
import tensorflow as tf

EXPONENTS = {8: (5, 4, 3, 2), 4: (2, 1, 3)}  # that are tried, of so many bits
SHARES = np.linspace(0.1, 1.2, 100)  # of the largest number, that c is searched among


def top_of(bits: int, exponent: tf.Tensor | int) -> tf.Tensor:
    """The largest number where the bias is 0, float32."""
    e = tf.cast(exponent, tf.float32)
    m = float(bits - 1) - e
    return (2.0 - tf.pow(2.0, -m)) * tf.pow(2.0, tf.pow(2.0, e) - 1.0)


def positives(bits: int, exponent: int) -> np.ndarray:
    """Numbers of the codes without sign, ascending, the largest 1; float32."""
    m = bits - 1 - exponent
    code = np.arange(2 ** (bits - 1))
    field, mantissa = code >> m, (code & (2**m - 1)) / 2.0**m
    found = np.where(field > 0, 2.0**field * (1 + mantissa), 2.0 * mantissa)
    return (found / found[-1]).astype(np.float32)


def table_of(bits: int, exponent: int) -> np.ndarray:
    """The number of each code, float32 [2^bits]: the upper half is negative."""
    upper = positives(bits, exponent)
    return np.concatenate([upper, -upper])


def step_of(x: tf.Tensor, bits: int, exponent: tf.Tensor | int) -> tf.Tensor:
    """Distance of neighbouring numbers about x, which is counted in the unit."""
    e = tf.cast(exponent, tf.float32)
    size = tf.maximum(tf.abs(x), 1.0)  # log2(0); all below 2 have the step of 2
    power = tf.maximum(tf.floor(tf.math.log(size) / np.log(2.0)), 1.0)
    return tf.pow(2.0, power - (float(bits - 1) - e))


def round_to_format(
    x: tf.Tensor, largest: tf.Tensor, bits: int, exponent: tf.Tensor | int
) -> tf.Tensor:
    """x as the nearest number of a format, float32.

    Args:
      x: of any shape.
      largest: c, above 0; broadcasts to x.
      bits: of a number.
      exponent: e, an int or int32 [].
    """
    top = top_of(bits, exponent)
    unit = largest / top
    scaled = tf.clip_by_value(x / unit, -top, top)
    step = step_of(scaled, bits, exponent)
    return tf.round(scaled / step) * step * unit


def find_format(
    columns: np.ndarray, bits: int, weights: np.ndarray | None = None
) -> tuple[int, np.ndarray]:
    """e, and c of each column [K], of least squared error.

    Args:
      columns: float32 [N, K].
      bits: 4 or 8.
      weights: how many numbers each row stands for, [N]; None: one.
    """
    x = tf.constant(columns, tf.float32)
    most = np.abs(columns).max(axis=0)
    most = np.where(most > 0, most, 1.0).astype(np.float32)
    best: tuple[float, int, np.ndarray] | None = None
    for exponent in EXPONENTS[bits]:
        least, chosen = np.full(most.shape, np.inf), most
        for share in SHARES:
            largest = (share * most).astype(np.float32)
            off = round_to_format(x, largest, bits, exponent) - x
            error = np.average(np.square(off), axis=0, weights=weights)
            chosen = np.where(error < least, largest, chosen)
            least = np.minimum(error, least)
        if best is None or least.sum() < best[0]:
            best = float(least.sum()), exponent, chosen
    assert best is not None
    return best[1], best[2].astype(np.float32)


def codes_of(
    x: np.ndarray, largest: np.ndarray, bits: int, exponent: int
) -> np.ndarray:
    """The code of each number that is one of the format's, int32."""
    found = positives(bits, exponent)
    middle = 0.5 * (found[1:] + found[:-1])
    rank = np.searchsorted(middle, np.abs(x / largest))
    return (rank + np.where(x < 0, 2 ** (bits - 1), 0)).astype(np.int32)
