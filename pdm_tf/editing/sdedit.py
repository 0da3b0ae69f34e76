"""Editing by noise: strokes to pictures, pictures to others (arXiv 2108.01073)."""

import tensorflow as tf

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid
from pdm_tf.diffusion.gaussian import noised
from pdm_tf.errors import SettingError
from pdm_tf.samplers import Sampler, sample_from, start
from pdm_tf.samplers.sampler import Seeds


def check_strength(strength: float) -> None:
    """Raises InputError for a strength outside [0, 1]."""
    if not 0.0 <= strength <= 1.0:
        raise SettingError("strength", strength, "choose between 0 and 1")


def sdedit(
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds,
    picture: tf.Tensor,
    strength: float,
) -> tf.Tensor:
    """Noises a picture and denoises it: the last share of the grid only.

    Args:
      denoise: the denoiser.
      sampler: how to step.
      grid: S levels, S known; round(strength·S) of them are visited.
      seeds: int32 [N], one for each result.
      picture: strokes or a picture, [N or 1, H, W, C] in [-1, 1].
      strength: 0 returns the picture, 1 is `sample` with these seeds.

    Returns:
      float32 [N, H, W, C].

    Raises:
      InputError: a strength outside [0, 1].
    """
    check_strength(strength)
    z = start(seeds, tuple(picture.shape[1:]))
    visited = round(strength * grid.size)
    if visited == 0:
        return tf.broadcast_to(picture, tf.shape(z))
    grid = Grid(*(levels[grid.size - visited :] for levels in grid))
    if strength < 1.0:  # at 1 nothing of the picture is left, as in `sample`
        z = noised(picture, z, grid.level(0))
    return sample_from(denoise, sampler, grid, seeds, z)
