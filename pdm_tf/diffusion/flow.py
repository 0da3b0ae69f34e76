"""The straight way between picture and noise, as a schedule (rectified flow).

w = t·x + (1 - t)·s·eps, from noise at t = 0 to the picture at t = 1 (arXiv 2209.03003,
2511.13720). Divided by sqrt(t² + (1 - t)²s²) it is variance-preserving with
alpha = t² / (t² + (1 - t)²s²): all that is written for z holds for it, and a network
that was trained on it is asked with w and with t, a float.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import tensorflow as tf
from scipy.special import ndtr

from pdm_tf.config import Spacing
from pdm_tf.diffusion import grids
from pdm_tf.diffusion.schedule import Grid, NoiseLevel, NoiseSchedule, split_in_two
from pdm_tf.errors import SettingError

_LOGIT_MEAN, _LOGIT_STD = -0.8, 0.8  # of the times that training draws


@dataclass(frozen=True)
class LinearFlow(NoiseSchedule):
    """Levels at t = 1 - 1/T, …, 1/T, 0; the last is noise alone (alpha = 0).

    Attributes:
      betas: as of every schedule; the last is 1.
      noise_scale: s, the standard deviation of the noise at t = 0; more for larger
        pictures.
    """

    noise_scale: float = 1.0  # type: ignore[misc]
    continuous: ClassVar[bool] = True

    @classmethod
    def of(cls, timesteps: int = 1000, noise_scale: float = 1.0) -> Self:
        """The way cut into T equal steps of t.

        Raises:
          InputError: fewer than two timesteps, or a scale that is not positive.
        """
        if timesteps < 2:
            raise SettingError("timesteps", timesteps, "at least 2 are needed")
        if not 0.0 < noise_scale < math.inf:
            raise SettingError("noise_scale", noise_scale, "choose more than 0")
        t = 1.0 - np.arange(1, timesteps + 1) / timesteps
        log_alpha = _log_alpha(_log_snr(t, noise_scale))
        before = np.concatenate([[0.0], log_alpha[:-1]])
        return cls(tuple((-np.expm1(log_alpha - before)).tolist()), noise_scale)

    @cached_property
    def log_snr(self) -> np.ndarray:
        t = 1.0 - np.arange(1, self.timesteps + 1) / self.timesteps
        return _log_snr(t, self.noise_scale)

    @cached_property
    def log_alpha(self) -> np.ndarray:
        return _log_alpha(self.log_snr)

    def time(self, level: NoiseLevel) -> tf.Tensor:
        return time_of(level, self.noise_scale)[0]

    def at(self, t: tf.Tensor) -> NoiseLevel:
        """The level of a time t, float32 [] or [B] in [0, 1]."""
        log_odds = tf.math.log(t) - tf.math.log1p(-t)
        log_snr = 2.0 * (log_odds - math.log(self.noise_scale))
        return NoiseLevel(super().at(t).t, log_snr)

    def spread(self, u: tf.Tensor, first: int, last: int) -> NoiseLevel:
        """The levels that training takes for u: the logit of t is normal.

        Its mean and deviation are those of JiT. From the timesteps first to last, both
        included.
        """
        ends = 1.0 - np.array([last + 1, first]) / self.timesteps
        with np.errstate(divide="ignore"):
            logits = np.log(ends) - np.log1p(-ends)
        low, high = ndtr((logits - _LOGIT_MEAN) / _LOGIT_STD)
        normal = tf.math.ndtri(tf.clip_by_value(low + u * (high - low), 1e-6, 1 - 1e-6))
        t = tf.sigmoid(_LOGIT_MEAN + _LOGIT_STD * normal)
        return self.level(tf.clip_by_value(super().at(t).t, first, last))

    def as_trained(self, z: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
        return z * length_of(level.per_pixel(), self.noise_scale)

    def as_noised(self, z: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
        return z / length_of(level.per_pixel(), self.noise_scale)

    def grid(self, steps: int | str | tf.Tensor, spacing: Spacing = "uniform") -> Grid:
        """The levels at t = 0, 1/S, …, 1 - 1/S for S steps, wherever they lie.

        Args:
          steps: a number of steps, or an int32 tensor [].
          spacing: uniform, which is trailing here; no other.

        Raises:
          InputError: another spacing, or steps that do not fit T.
        """
        if spacing not in ("uniform", "trailing"):  # here the same
            raise SettingError("spacing", spacing, "process=linear has uniform alone")
        if isinstance(steps, tf.Tensor):
            i = tf.range(steps)
            t = tf.cast(i, tf.float32) / tf.cast(steps, tf.float32)
            nearest = self.timesteps - 1 - self.timesteps * i // steps
            return Grid(nearest, self.at(t).log_snr)
        count = grids.check_count(steps, self.timesteps, spacing)
        exact = _log_snr(np.arange(count) / count, self.noise_scale)
        nearest = self.timesteps - 1 - self.timesteps * np.arange(count) // count
        return Grid(
            tf.constant(nearest, tf.int32), *map(tf.constant, split_in_two(exact))
        )


def time_of(level: NoiseLevel, noise_scale: float) -> tuple[tf.Tensor, tf.Tensor]:
    """t and 1 - t of a level, each to float32's relative precision."""
    log_odds = 0.5 * level.log_snr + math.log(noise_scale)
    return tf.sigmoid(log_odds), tf.sigmoid(-log_odds)


def length_of(level: NoiseLevel, noise_scale: float) -> tf.Tensor:
    """sqrt(t² + (1 - t)²s²): by how much z is shorter than w."""
    t, rest = time_of(level, noise_scale)
    return tf.sqrt(tf.square(t) + tf.square(noise_scale * rest))


def _log_snr(t: np.ndarray, noise_scale: float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 2.0 * (np.log(t) - np.log1p(-t) - math.log(noise_scale))


def _log_alpha(log_snr: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0.0, -log_snr)
