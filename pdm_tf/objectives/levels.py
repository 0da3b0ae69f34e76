"""Which noise levels are trained, for u that are even in [0, 1)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from scipy.special import ndtr

from pdm_tf.diffusion import NoiseLevel, NoiseSchedule

Levels = Callable[[tf.Tensor, int, int], NoiseLevel]


def log_normal(schedule: NoiseSchedule, mean: float, std: float) -> Levels:
    """ln(noise / signal) is normal (EDM, arXiv 2206.00364, table 1 and section 5).

    A timestep has the chance of all levels that are nearer to it than to others, in
    log SNR; those beyond the timesteps that are trained are left out.

    Args:
      schedule: gives the levels.
      mean: P_mean.
      std: P_std.
    """

    def spread(u: tf.Tensor, first: int, last: int) -> NoiseLevel:
        log_sigma = -schedule.log_snr[first : last + 1] / 2
        edges = (log_sigma[1:] + log_sigma[:-1]) / 2
        below = ndtr((edges - mean) / std)
        ends = ndtr((log_sigma[[0, -1]] - mean) / std)
        shares = (np.clip(below, *ends) - ends[0]) / max(ends[1] - ends[0], 1e-12)
        t = tf.searchsorted(tf.constant(shares, tf.float32), u, side="right")
        return schedule.level(first + t)

    return spread
