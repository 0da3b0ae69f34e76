"""RePaint: noise again, and paint again (arXiv 2201.09865)."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from pdm_tf.config.inverse import RePaintConfig as Config
from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.errors import SettingError
from pdm_tf.inverse.ddnm import Projected
from pdm_tf.inverse.problem import Problem
from pdm_tf.samplers import open_sampler, sample
from pdm_tf.samplers.sampler import Denoise, Seeds
from pdm_tf.samplers.wrapper import SamplerWrapper

PAPER = "arXiv 2201.09865"
NEEDS_GRADIENT = False


@dataclass(frozen=True)
class Resampled(SamplerWrapper):
    """A sampler on a grid that also rises: there it adds noise (equation 2).

    Going up evaluates the denoiser too, for nothing, since a denoiser may carry tensors
    from call to call: one evaluation in jump + 1 is spent on that.
    """

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: Any,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, Any]:
        rises = to.log_snr < level.log_snr
        kept = tf.minimum(to.alpha / level.alpha, 1.0)
        noisier = tf.sqrt(kept) * z + tf.sqrt(1.0 - kept) * noise
        up = noisier, self.sampler.init(z)  # its state belongs to another trajectory
        down = self.sampler.step(denoise, z, level, to, state, noise)
        return tf.nest.map_structure(lambda a, b: tf.where(rises, a, b), up, down)


def resampled_grid(grid: Grid, resamplings: int, jump: int) -> Grid:
    """RePaint's schedule: each stretch of `jump` steps is integrated several times.

    Args:
      grid: S levels, S known.
      resamplings: times that each stretch is integrated; 1 is the grid itself.
      jump: steps in a stretch.

    Raises:
      InputError: a number below 1.
    """
    if resamplings < 1 or jump < 1:
        raise SettingError(
            "resamplings", resamplings, "at least 1 is needed of both", jump=jump
        )
    visited = [0]
    for first in range(0, grid.size - 1, jump):
        stretch = list(range(first, min(first + jump, grid.size - 1) + 1))
        visited += stretch[1:] + stretch * (resamplings - 1)
    return Grid(*(tf.gather(levels, visited) for levels in grid))


def solve(
    denoise: Denoiser, problem: Problem, grid: Grid, seeds: Seeds, config: Config
) -> tf.Tensor:
    """`ddnm` that goes over each stretch of levels several times; see `red_diff`."""
    held = Projected(denoise, problem)
    sampler = Resampled(open_sampler(config.sampler))
    grid = resampled_grid(grid, config.resamplings, config.jump)
    return sample(held, sampler, grid, seeds, denoise.image_shape)
