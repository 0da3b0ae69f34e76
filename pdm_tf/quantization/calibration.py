"""Calibration data: what a model's networks read on its own way to pictures."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf

from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import Grid
from pdm_tf.errors import SettingError
from pdm_tf.samplers import DDIM
from pdm_tf.samplers.trajectories import Trajectory, record

LAST_SEED = 2**31 - 1  # whence seeds fall, so that none is one that is compared
AT_ONCE = 32  # pictures of a trajectory


class Rows(NamedTuple):
    """Inputs of a network, a row for each evaluation of a picture."""

    z: np.ndarray  # float32 [R, H, W, C]
    t: np.ndarray  # int32 [R]
    labels: np.ndarray  # int32 [R]; num_classes where there is none

    def taken(self, chosen: np.ndarray) -> Self:
        """The rows of some indices, or of a mask."""
        return self._replace(**{n: v[chosen] for n, v in self._asdict().items()})

    def batches(self, size: int) -> Iterator[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
        """z, t and labels, `size` rows at a time."""
        for i in range(0, len(self.t), size):
            yield tuple(map(tf.constant, (v[i : i + size] for v in self)))


Choice = Callable[[np.ndarray], np.ndarray]


def calibration_rows(
    base: Denoiser,
    sampling: SamplingConfig,
    images: int,
    steps: int,
    choose: Choice | None = None,
) -> list[Rows]:
    """Rows of each innermost network of a model, in the order of `map_innermost`.

    The model samples as its run does, guided where that is, the classes in turn; under
    guidance the rows of the null label are among those kept.

    Args:
      base: the unaltered model.
      sampling: how it samples.
      images: pictures that are drawn.
      steps: of DDIM for each.
      choose: timesteps int [steps], noisiest first -> bool [images, steps], which are
        kept of each picture; None: all.

    Raises:
      SettingError: no pictures, or steps that the model does not take.
    """
    if images < 1:
        raise SettingError("calibration_images", images, "at least 1 is needed")
    timesteps = base.schedule.timesteps
    if not 1 <= steps <= timesteps:
        raise SettingError("calibration_steps", steps, f"choose 1 to {timesteps}")
    grid = base.schedule.grid(steps)
    visited = np.asarray(grid.t)
    kept = np.ones((images, steps), bool) if choose is None else choose(visited)
    starts = range(0, images, AT_ONCE)
    numbers = [np.arange(n, min(n + AT_ONCE, images)) for n in starts]
    parts = [_recorded(base, sampling, grid, some, kept) for some in numbers]
    return [_joined(of_network) for of_network in zip(*parts, strict=True)]


def _recorded(
    base: Denoiser,
    sampling: SamplingConfig,
    grid: Grid,
    pictures: np.ndarray,
    kept: np.ndarray,
) -> list[Rows]:
    labels = pictures % max(1, base.num_classes)
    guided = for_sampling(base, labels, sampling.sample_guidance, sampling)
    rows = record(guided, DDIM(), grid, (LAST_SEED - pictures).astype(np.int32))
    step = {int(t): i for i, t in enumerate(np.asarray(grid.t))}
    which = picture_of(rows) % len(pictures)
    wanted = kept[pictures[which], [step[int(t)] for t in rows.t]]
    return [
        Rows(rows.z, rows.t, rows.labels).taken(wanted & (rows.network == i))
        for i in range(rows.network.max() + 1)
    ]


def picture_of(rows: Trajectory) -> np.ndarray:
    """The place of each row within its evaluation, int [R]."""
    starts = np.searchsorted(rows.evaluation, rows.evaluation)
    return np.arange(len(rows.t)) - starts


def _joined(parts: tuple[Rows, ...]) -> Rows:
    return Rows(*(np.concatenate(values) for values in zip(*parts, strict=True)))
