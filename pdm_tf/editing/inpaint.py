"""Painting what is missing: by replacement, and RePaint (arXiv 2201.09865)."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from pdm_tf.denoisers import Denoiser, constrained
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.errors import SettingError
from pdm_tf.samplers import Sampler, sample
from pdm_tf.samplers.sampler import Denoise, Seeds


@dataclass(frozen=True)
class Resampled:
    """A sampler on a grid that also rises: there it adds noise (equation 2).

    Going up evaluates the denoiser too, for nothing, since a denoiser may carry tensors
    from call to call: one evaluation in jump + 1 is spent on that.
    """

    sampler: Sampler

    @property
    def convergence_order(self) -> int | None:
        return None  # it goes up and down

    def init(self, z: tf.Tensor) -> Any:
        return self.sampler.init(z)

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


def inpaint(
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds,
    picture: tf.Tensor,
    mask: tf.Tensor,
    resamplings: int = 1,
    jump: int = 10,
) -> tf.Tensor:
    """Paints where the mask says, and keeps every other pixel exactly.

    The known pixels replace those of each estimate, so their noisy values follow the
    forward process. With more than one resampling what is painted is noised and
    painted again, and so comes to fit what is known (RePaint, algorithm 1).

    Args:
      denoise: the denoiser, conditioned or guided already.
      sampler: how to step; one that draws noise (DDPM) fits better.
      grid: the levels to visit, their number known.
      seeds: int32 [N], one for each result.
      picture: what is known, [N or 1, H, W, C] in [-1, 1].
      mask: bool [N or 1, H, W, 1], true where to paint.
      resamplings: times that each stretch of the grid is integrated; RePaint takes 10.
      jump: steps in a stretch.

    Returns:
      float32 [N, H, W, C].
    """
    keeping = constrained(denoise, lambda x: tf.where(mask, x, picture))
    if resamplings != 1:
        grid = resampled_grid(grid, resamplings, jump)
        sampler = Resampled(sampler)
    return sample(keeping, sampler, grid, seeds, tuple(picture.shape[1:]))
