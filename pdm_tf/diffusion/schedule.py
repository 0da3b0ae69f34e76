"""Noise levels: how far from picture to noise (section 2.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.config import Spacing
from pdm_tf.diffusion import grids, respacing
from pdm_tf.errors import SettingError


class NoiseLevel(NamedTuple):
    """One level, or one per picture: z = signal·x + noise·eps (equation 2).

    Carried as log SNR, because alpha and 1 - alpha both follow from it with full
    relative precision in float32, and a TPU has no float64.
    """

    t: tf.Tensor  # int32 [] or [B]: what the network is conditioned on, 0 … T-1
    log_snr: tf.Tensor  # float32 [] or [B]: log(alpha / (1 - alpha)), falls with t

    @classmethod
    def from_alpha(cls, t: int, alpha: float) -> "NoiseLevel":
        """The level with the given alpha in (0, 1]; alpha = 1 is the clean picture."""
        with np.errstate(divide="ignore"):
            log_snr = np.log(alpha) - np.log1p(-np.float64(alpha))
        return cls(tf.constant(t, tf.int32), tf.constant(log_snr, tf.float32))

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
        return NoiseLevel(self.t, self.log_snr[:, None, None, None])


class Grid(NamedTuple):
    """The levels that a sampler visits, from the noisiest to the least noisy."""

    t: tf.Tensor  # int32 [S]
    log_snr: tf.Tensor  # float32 [S]

    def level(self, i: tf.Tensor | int) -> NoiseLevel:
        """The i-th level."""
        return NoiseLevel(tf.gather(self.t, i), tf.gather(self.log_snr, i))

    @property
    def size(self) -> tf.Tensor | int:
        """Number of levels S."""
        static = self.t.shape[0]
        return tf.shape(self.t)[0] if static is None else static


@dataclass(frozen=True)
class NoiseSchedule:
    """The betas of the forward process and what follows from them (equations 1, 2).

    Attributes:
      betas: float64, T numbers in (0, 1).
    """

    betas: tuple[float, ...]

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
        return np.cumsum(np.log1p(-np.asarray(self.betas)))

    @cached_property
    def log_snr(self) -> np.ndarray:
        """log SNR, float64 [T]."""
        return self.log_alpha - np.log(-np.expm1(self.log_alpha))

    def level(self, t: tf.Tensor | int | Sequence[int]) -> NoiseLevel:
        """The level of timestep t, int [] or [B], 0 … T-1."""
        t = tf.convert_to_tensor(t, tf.int32)
        table = tf.constant(self.log_snr, tf.float32)
        return NoiseLevel(t, tf.gather(table, t))

    def previous(self, level: NoiseLevel) -> NoiseLevel:
        """The level one timestep nearer to the picture; before t = 0, the clean one."""
        table = tf.constant(np.concatenate([[np.inf], self.log_snr]), tf.float32)
        return NoiseLevel(level.t - 1, tf.gather(table, level.t))

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
        return Grid(t, tf.gather(tf.constant(self.log_snr, tf.float32), t))
