"""Schedules by name beside the linear one, and what can be done to any of them."""

import numpy as np

from pdm_tf.diffusion.schedule import NoiseSchedule
from pdm_tf.errors import SettingError

_LARGEST = 0.999  # a beta, "to prevent singularities at the end" (arXiv 2102.09672)
_OFFSET = 0.008  # s of the cosine
_START, _END = -3.0, 3.0  # of the sigmoid


def cosine(timesteps: int = 1000) -> NoiseSchedule:
    """alpha falls as a squared cosine (arXiv 2102.09672, equation 17)."""
    t = _times(timesteps)
    return _of_alpha(np.cos((t + _OFFSET) / (1 + _OFFSET) * np.pi / 2) ** 2)


def sigmoid(timesteps: int = 1000) -> NoiseSchedule:
    """alpha falls as a sigmoid from -3 to 3 (arXiv 2212.11972, algorithm 1)."""
    risen = 1 / (1 + np.exp(-(_START + _times(timesteps) * (_END - _START))))
    return _of_alpha((risen[-1] - risen) / (risen[-1] - risen[0]))


def shifted(schedule: NoiseSchedule, change: float) -> NoiseSchedule:
    """Another log SNR by as much at every timestep (arXiv 2301.11093, equation 3).

    Pictures of twice the height show as much through the noise at a log SNR lower by
    2 log 2, because neighbouring pixels share what they show.
    """
    return _of_log_alpha(-np.logaddexp(0.0, -(schedule.log_snr + change)))


def ending_in_noise(schedule: NoiseSchedule) -> NoiseSchedule:
    """Zero terminal SNR: nothing is left at T - 1 (arXiv 2305.08891, algorithm 1).

    sqrt(alpha) is shifted so that its last value is 0, and scaled so that its first
    stays.
    """
    root = np.exp(schedule.log_alpha / 2)
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    with np.errstate(divide="ignore"):
        return _of_log_alpha(2 * np.log(root))


def _times(timesteps: int) -> np.ndarray:
    """0 … 1, of T + 1 moments, of which the first is the clean picture's."""
    if timesteps < 2:
        raise SettingError("timesteps", timesteps, "at least 2 are needed")
    return np.linspace(0.0, 1.0, timesteps + 1)


def _of_alpha(alpha: np.ndarray) -> NoiseSchedule:
    """The schedule of alpha [T + 1], or any multiple of it."""
    betas = np.minimum(1 - alpha[1:] / alpha[:-1], _LARGEST)
    return NoiseSchedule(tuple(betas.tolist()))


def _of_log_alpha(log_alpha: np.ndarray) -> NoiseSchedule:
    before = np.concatenate([[0.0], log_alpha[:-1]])
    return NoiseSchedule(tuple((-np.expm1(log_alpha - before)).tolist()))
