"""Uniform quantisation: ranges, their search, rounding, and its gradient.

A range [low, high] and b bits make the grid (code - zero) · scale with
scale = (high - low) / (2^b - 1), zero = round(-low / scale): zero itself is on it.
"""

import numpy as np
import tensorflow as tf

from pdm_tf.quantization.spec import NumberFormat, Search

SHRINKS = 1.0 - 0.01 * np.arange(80)  # of the range searched (Q-Diffusion's code)
NORM = 2.4  # power of the error that the search minimises (the same)


def grid_of(
    low: np.ndarray, high: np.ndarray, form: NumberFormat
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero, float32 and int32, of ranges of any shape.

    A range is widened to hold zero; an empty one gets scale 1.
    """
    low, high = np.minimum(np.float64(low), 0.0), np.maximum(np.float64(high), 0.0)
    most = 2**form.bits - 1
    if form.scheme == "symmetric":
        middle = 2 ** (form.bits - 1)
        scale = np.maximum(-low, high) / (middle - 1)
        zero = np.full(scale.shape, middle)
    else:
        scale = (high - low) / most
        zero = np.round(-low / np.where(scale > 0, scale, 1.0))
    scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
    return scale, np.clip(zero, 0, most).astype(np.int32)


def range_of(
    scale: np.ndarray, zero: np.ndarray, bits: int
) -> tuple[np.ndarray, np.ndarray]:
    """The least and largest number of a grid, float32."""
    low = -np.float64(zero) * scale
    high = (2**bits - 1 - np.float64(zero)) * scale
    return low.astype(np.float32), high.astype(np.float32)


def codes_of(
    x: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: int
) -> np.ndarray:
    """The nearest codes, int32; scale and zero broadcast to x."""
    return np.clip(np.round(x / scale) + zero, 0, 2**bits - 1).astype(np.int32)


def rounded(
    x: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: int
) -> np.ndarray:
    """x on its grid."""
    return ((codes_of(x, scale, zero, bits) - zero) * scale).astype(np.float32)


def find_grid(
    columns: np.ndarray,
    form: NumberFormat,
    search: Search,
    ends: tuple[np.ndarray, np.ndarray] | None = None,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero, [K] each, of numbers [N, K], column by column.

    Args:
      columns: the numbers.
      form: their format.
      search: min_max: the range that they span; mse: that range times one of
        `SHRINKS`, with the least mean |error|^2.4.
      ends: the range, [K] each, where the numbers are a sample of what spans it.
      weights: how many numbers each row stands for, [N]; None: one.
    """
    columns = np.asarray(columns, np.float32)
    low, high = ends or (columns.min(axis=0), columns.max(axis=0))
    best = grid_of(low, high, form)
    if search == "min_max":
        return best
    least = _error(columns, *best, form.bits, weights)
    for shrink in SHRINKS[1:]:
        found = grid_of(shrink * low, shrink * high, form)
        error = _error(columns, *found, form.bits, weights)
        better = error < least
        least = np.where(better, error, least)
        best = np.where(better, found[0], best[0]), np.where(better, found[1], best[1])
    return best


def _error(
    columns: np.ndarray,
    scale: np.ndarray,
    zero: np.ndarray,
    bits: int,
    weights: np.ndarray | None,
) -> np.ndarray:
    off = np.abs(columns - rounded(columns, scale, zero, bits))
    powers = np.power(off, np.float32(NORM), where=off > 0, out=off)
    return np.average(powers, axis=0, weights=weights)


def fake_quantized(
    x: tf.Tensor, low: tf.Tensor, high: tf.Tensor, bits: int
) -> tf.Tensor:
    """x on the grid of a range, in float32: TensorFlow's own operation, which runtimes
    with 8-bit arithmetic know.

    Args:
      x: of any shape.
      low: [] for one range, [C] for one of each of the last axis.
      high: the same.
      bits: 2 to 16.
    """
    if low.shape.rank == 0:
        return tf.quantization.fake_quant_with_min_max_vars(x, low, high, bits)
    flat = tf.reshape(x, [-1, x.shape[-1]])  # the operation knows few ranks
    made = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        flat, low, high, bits
    )
    return tf.ensure_shape(tf.reshape(made, tf.shape(x)), x.shape)


def rounded_through(x: tf.Tensor) -> tf.Tensor:
    """round(x), with the gradient of x: straight-through."""
    return x + tf.stop_gradient(tf.round(x) - x)


def fake_quantized_by(
    x: tf.Tensor, scale: tf.Tensor, zero: tf.Tensor, bits: int
) -> tf.Tensor:
    """x on a grid, with gradients for x, scale and zero (arXiv 1902.08153).

    Args:
      x: of any shape.
      scale: broadcasts to x.
      zero: the same, an integer in float32.
      bits: 1 to 16.
    """
    code = tf.clip_by_value(rounded_through(x / scale) + zero, 0.0, 2.0**bits - 1.0)
    return (code - zero) * scale
