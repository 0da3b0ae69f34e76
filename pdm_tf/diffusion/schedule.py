"""Noise levels: how far from picture to noise (section 2.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, Self

import numpy as np
import tensorflow as tf

from pdm_tf.config import Spacing
from pdm_tf.diffusion import grids, respacing
from pdm_tf.errors import SettingError


class _Level(NamedTuple):
    t: tf.Tensor  # int32 [] or [B]: what the network is conditioned on, 0 … T-1
    log_snr: tf.Tensor  # float32 [] or [B]: log(alpha / (1 - alpha)), falls with t
    rest: tf.Tensor  # float32 as log_snr: what rounding it to float32 took away


class NoiseLevel(_Level):
    """One level, or one per picture: z = signal·x + noise·eps (equation 2).

    Carried as log SNR, because alpha and 1 - alpha both follow from it with full
    relative precision in float32, and a TPU has no float64. Neighbouring levels differ
    by little of it: with `rest`, 0 where it is not given, differences are precise too.
    """

    def __new__(
        cls, t: tf.Tensor, log_snr: tf.Tensor, rest: tf.Tensor | None = None
    ) -> Self:
        return super().__new__(cls, t, log_snr, _or_zeros(rest, log_snr))

    @classmethod
    def from_alpha(cls, t: int, alpha: float) -> "NoiseLevel":
        """The level with the given alpha in (0, 1]; alpha = 1 is the clean picture."""
        with np.errstate(divide="ignore"):
            log_snr = np.log(alpha) - np.log1p(-np.float64(alpha))
        return cls(tf.constant(t, tf.int32), *map(tf.constant, split_in_two(log_snr)))

    @property
    def alpha(self) -> tf.Tensor:
        """Share of the picture in the variance, the paper's alpha_t."""
        return tf.sigmoid(self.log_snr)

    @property
    def signal(self) -> tf.Tensor:
        """sqrt(alpha)."""
        return tf.sqrt(tf.sigmoid(self.log_snr))

    @property
    def noise(self) -> tf.Tensor:
        """sqrt(1 - alpha)."""
        return tf.sqrt(tf.sigmoid(-self.log_snr))

    @property
    def snr(self) -> tf.Tensor:
        """alpha / (1 - alpha)."""
        return tf.exp(self.log_snr)

    def per_pixel(self) -> "NoiseLevel":
        """The same level, shaped to be multiplied with pictures [B, H, W, C]."""
        if self.log_snr.shape.rank == 0:
            return self
        wide = (value[:, None, None, None] for value in (self.log_snr, self.rest))
        return NoiseLevel(self.t, *wide)

    def gain(self, to: "NoiseLevel") -> tf.Tensor:
        """log SNR that a step to the less noisy level gains, to float32's precision."""
        return (to.log_snr - self.log_snr) + (to.rest - self.rest)


class _Levels(NamedTuple):
    t: tf.Tensor  # int32 [S]
    log_snr: tf.Tensor  # float32 [S]
    rest: tf.Tensor  # float32 [S], see `NoiseLevel`


class Grid(_Levels):
    """The levels that a sampler visits, from the noisiest to the least noisy."""

    def __new__(
        cls, t: tf.Tensor, log_snr: tf.Tensor, rest: tf.Tensor | None = None
    ) -> Self:
        return super().__new__(cls, t, log_snr, _or_zeros(rest, log_snr))

    def level(self, i: tf.Tensor | int) -> NoiseLevel:
        """The i-th level."""
        return NoiseLevel(*(tf.gather(values, i) for values in self))

    @property
    def size(self) -> tf.Tensor | int:
        """Number of levels S."""
        static = self.t.shape[0]
        return tf.shape(self.t)[0] if static is None else static


def _or_zeros(rest: tf.Tensor | None, log_snr: tf.Tensor) -> tf.Tensor:
    return tf.zeros_like(log_snr) if rest is None else rest


def split_in_two(exact: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Float64 as the float32 next to it, and what is left, float32 too."""
    rounded = np.float32(exact)
    left = np.where(np.isfinite(exact), exact, 0) - np.where(
        np.isfinite(exact), np.float64(rounded), 0
    )
    return np.asarray(rounded), left.astype(np.float32)


@dataclass(frozen=True)
class NoiseSchedule:
    """The betas of the forward process and what follows from them (equations 1, 2).

    Attributes:
      betas: float64, T numbers in (0, 1); the last may be 1, and is noise alone then.
    """

    betas: tuple[float, ...]
    noise_scale: ClassVar[float] = 1.0  # of the noise that z begins with
    continuous: ClassVar[bool] = False  # whether requests give a time, see `time`

    @classmethod
    def linear(cls, timesteps: int = 1000, beta_end: float = 0.02) -> "NoiseSchedule":
        """Betas from 1e-4 to beta_end in equal steps (arXiv 2006.11239).

        Raises:
          InputError: fewer than two timesteps, or beta_end outside (1e-4, 1).
        """
        if timesteps < 2:
            raise SettingError("timesteps", timesteps, "at least 2 are needed")
        if not 1e-4 < beta_end < 1:
            raise SettingError("beta_end", beta_end, "choose between 1e-4 and 1")
        return cls(tuple(np.linspace(1e-4, beta_end, timesteps).tolist()))

    @property
    def timesteps(self) -> int:
        """T."""
        return len(self.betas)

    @cached_property
    def log_alpha(self) -> np.ndarray:
        """log alpha_t, float64 [T]: alpha_t is the product of 1 - beta (equation 2)."""
        with np.errstate(divide="ignore"):  # the last beta may be 1
            return np.cumsum(np.log1p(-np.asarray(self.betas)))

    @cached_property
    def log_beta_tilde(self) -> np.ndarray:
        """log of the posterior's variance at t, float64 [T]; that of t = 1 at t = 0.

        At t = 0 it is 0, and its logarithm is not finite (arXiv 2102.09672).
        """
        of_noise = np.log(-np.expm1(self.log_alpha))  # log(1 - alpha)
        later = np.log(self.betas[1:]) + of_noise[:-1] - of_noise[1:]
        return np.concatenate([later[:1], later])

    @cached_property
    def log_snr(self) -> np.ndarray:
        """log SNR, float64 [T]."""
        return self.log_alpha - np.log(-np.expm1(self.log_alpha))

    def level(self, t: tf.Tensor | int | Sequence[int]) -> NoiseLevel:
        """The level of timestep t, int [] or [B], 0 … T-1."""
        t = tf.convert_to_tensor(t, tf.int32)
        return NoiseLevel(t, *self._looked_up(self.log_snr, t))

    def previous(self, level: NoiseLevel) -> NoiseLevel:
        """The level one timestep nearer to the picture; before t = 0, the clean one."""
        table = np.concatenate([[np.inf], self.log_snr])
        return NoiseLevel(level.t - 1, *self._looked_up(table, level.t))

    def time(self, level: NoiseLevel) -> tf.Tensor:
        """The level for networks that take a time in [0, 1]: 0 noise, 1 the picture."""
        return 1.0 - tf.cast(level.t + 1, tf.float32) / self.timesteps

    def at(self, t: tf.Tensor) -> NoiseLevel:
        """The level nearest to a time, float32 [] or [B] in [0, 1], see `time`."""
        left = tf.cast(tf.round((1.0 - t) * self.timesteps), tf.int32) - 1
        return self.level(tf.clip_by_value(left, 0, self.timesteps - 1))

    def spread(self, u: tf.Tensor, first: int, last: int) -> NoiseLevel:
        """The levels that training takes for u, float32 [B], even in [0, 1).

        All timesteps from first to last, both included, alike.
        """
        t = first + tf.cast(u * float(last - first + 1), tf.int32)
        return self.level(tf.minimum(t, last))  # u close to 1 may be rounded up

    def as_trained(self, z: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
        """z, float32 [B, H, W, C], at the scale at which networks are trained."""
        return z

    def as_noised(self, z: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
        """The inverse of `as_trained`."""
        return z

    @staticmethod
    def _looked_up(table: np.ndarray, t: tf.Tensor) -> list[tf.Tensor]:
        """Entries of a float64 table as float32, and what that leaves of them."""
        return [tf.gather(tf.constant(part), t) for part in split_in_two(table)]

    def timestep(self, snr: float) -> int:
        """The timestep whose SNR is nearest to the given one on a log scale."""
        return int(np.argmin(np.abs(self.log_snr - np.log(snr))))

    def grid(self, steps: int | str | tf.Tensor, spacing: Spacing = "uniform") -> Grid:
        """Which timesteps a sampler visits: ADM's respacing (arXiv 2105.05233).

        The network keeps its original t; betas follow from the levels.

        Args:
          steps: a number of steps; "90,60,60,20,20", steps for each section of equal
            length, least noisy first; "ddim50", a constant integer stride; or an
            int32 tensor [], for graphs that leave the number open.
          spacing: uniform is ADM's; log_snr, karras and quadratic take a number of
            steps only, see `grids.spaced`.

        Returns:
          The levels, noisiest first.

        Raises:
          InputError: the steps do not fit T.
        """
        if spacing != "uniform":
            if not isinstance(steps, tf.Tensor):
                steps = grids.check_count(steps, self.timesteps, spacing)
            t = grids.spaced(self.log_snr, steps, spacing)
        elif isinstance(steps, tf.Tensor):
            t = respacing.spread_in_graph(self.timesteps, steps)
        else:
            t = tf.constant(respacing.spread(self.timesteps, str(steps)), tf.int32)
        return self.visiting(t[::-1])

    def visiting(self, t: tf.Tensor) -> Grid:
        """The levels of timesteps int32 [S], noisiest first."""
        return Grid(t, *self._looked_up(self.log_snr, t))
