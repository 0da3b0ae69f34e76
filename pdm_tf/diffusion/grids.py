"""Other spacings of the timesteps that a sampler visits than ADM's.

All visit T - 1 first and, from two steps on, 0 last, but for the trailing ones; none
comes twice. Where neighbours would round to the same one, the noisier makes room.
"""

from typing import get_args

import numpy as np
import tensorflow as tf

from pdm_tf.config import Spacing
from pdm_tf.errors import SettingError

SPACINGS = get_args(Spacing)
_RHO = 7.0  # arXiv 2206.00364, table 1
_TRAILING = {"trailing": 1.0, "trailing_dense": 1.3}  # powers with which t rises


def check_count(count: int | str, timesteps: int, spacing: str) -> int:
    """A number of steps as an int, or InputError if the spacing does not take it."""
    if spacing not in SPACINGS:
        raise SettingError("spacing", spacing, f"choose from {', '.join(SPACINGS)}")
    try:
        number = int(count)
    except ValueError:
        raise SettingError(
            "steps",
            count,
            f"give one number with spacing {spacing}; sections and ddimN are for "
            "uniform spacing",
        ) from None
    if not 1 <= number <= timesteps:
        raise SettingError("steps", count, f"choose 1 to {timesteps}")
    return number


def spaced(log_snr: np.ndarray, count: int | tf.Tensor, spacing: str) -> tf.Tensor:
    """Timesteps visited, int32 [count], ascending.

    log_snr: equal steps of log SNR (arXiv 2206.00927, section 3.4); karras: equal
    steps of sigma^(1/7), sigma = noise / signal (arXiv 2206.00364, equation 5);
    quadratic: t rises as a square (arXiv 2010.02502, appendix D.2); trailing: equal
    steps of t, of which the last leads from the last level to the clean picture (arXiv
    2305.08891, section 3.3); trailing_dense: the same, t rising as the power 1.3.

    Args:
      log_snr: of each timestep, float64 [T], falling.
      count: steps; an int32 tensor [] leaves it open in a graph, where it is moved
        into 1 … T.
      spacing: one of `SPACINGS` but uniform.
    """
    timesteps = len(log_snr)
    count = tf.clip_by_value(tf.convert_to_tensor(count, tf.int32), 1, timesteps)
    i = tf.range(count)
    gaps = tf.cast(tf.maximum(count - 1, 1), tf.float64)
    from_noise = tf.cast(count - 1 - i, tf.float64) / gaps  # 0 at the noisiest
    if spacing in _TRAILING:
        share = tf.cast(i + 1, tf.float64) / tf.cast(count, tf.float64)
        t = tf.cast(tf.round(timesteps * share ** _TRAILING[spacing]), tf.int32) - 1
        return _distinct(tf.maximum(t, 0), i, timesteps - count)
    if spacing == "quadratic":
        t = tf.cast(tf.round((timesteps - 1) * tf.square(1.0 - from_noise)), tf.int32)
    else:
        finite = log_snr[np.isfinite(log_snr)]  # the last may be noise alone
        t = _nearest(log_snr, _LEVELS[spacing](finite, from_noise))
        t = tf.where(i == count - 1, timesteps - 1, t)
    return _distinct(t, i, timesteps - count)


def _even(log_snr: np.ndarray, from_noise: tf.Tensor) -> tf.Tensor:
    return log_snr[-1] + from_noise * (log_snr[0] - log_snr[-1])


def _karras(log_snr: np.ndarray, from_noise: tf.Tensor) -> tf.Tensor:
    most, least = np.exp(-0.5 * log_snr[[-1, 0]] / _RHO)
    return -2.0 * _RHO * tf.math.log(most + from_noise * (least - most))


_LEVELS = {"log_snr": _even, "karras": _karras}


def _nearest(log_snr: np.ndarray, wanted: tf.Tensor) -> tf.Tensor:
    """Timestep whose log SNR is nearest to each of those wanted."""
    distance = tf.abs(tf.constant(log_snr) - wanted[:, None])
    return tf.argmin(distance, axis=1, output_type=tf.int32)


def _distinct(t: tf.Tensor, i: tf.Tensor, room: tf.Tensor) -> tf.Tensor:
    """Ascending timesteps moved up so as to differ, and none beyond T - 1."""
    return i + tf.minimum(tf.scan(tf.maximum, t - i), room)
