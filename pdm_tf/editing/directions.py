"""Local edits along singular directions of the denoiser (arXiv 2409.02426).

A picture's noise, at middle noise, is moved along a direction in which the estimate
changes inside a mask, and outside, to first order, does not.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid, NoiseSchedule
from pdm_tf.editing.singular import Derivative, Directions, singular_directions
from pdm_tf.samplers import DDIM, invertible, sample_from


def grid_below(schedule: NoiseSchedule, grid: Grid, timestep: int) -> Grid:
    """A timestep, and those `invertible` levels of a grid that are less noisy."""
    first, rest = schedule.level(timestep), invertible(grid)
    after = tf.where(rest.log_snr > first.log_snr)[:, 0]
    return Grid(
        *(
            tf.concat([[value], tf.gather(values, after)], 0)
            for value, values in zip(first, rest, strict=True)
        )
    )


def local_directions(
    derivative: Derivative, z: tf.Tensor, mask: np.ndarray, count: int, outside: int
) -> Directions:
    """Directions that change the estimate inside a mask most, and not outside.

    Those of the rows of J inside, among all that are orthogonal to the leading ones of
    the rows outside.

    Args:
      derivative: J.
      z: the noisy picture, [1, H, W, C].
      mask: true inside, bool [H, W, 1].
      count: directions.
      outside: how many leading directions of the outside are left out; where there is
        no outside, none.
    """
    inside, without = mask.astype(np.float32), None
    if outside and not mask.all():
        without = singular_directions(derivative, z, 1.0 - inside, outside).vectors
    return singular_directions(derivative, z, inside, count, without)


def edit_along(
    denoise: Denoiser,
    grid: Grid,
    z: tf.Tensor,
    directions: np.ndarray,
    strengths: Sequence[float],
) -> tf.Tensor:
    """An encoded picture, moved along directions and decoded by DDIM.

    Args:
      denoise: what the picture was encoded with, see `encode`.
      grid: the levels of that.
      z: the picture at the first of them, [1, H, W, C].
      directions: of length 1, [K, H, W, C].
      strengths: how far z is moved, M numbers; 0 gives what comes back of the picture.

    Returns:
      float32 [K·M, H, W, C], all strengths of one direction after the other.
    """
    far = np.asarray(strengths, np.float32).reshape(1, -1, 1, 1, 1)
    moved = z + tf.reshape(far * directions[:, None], [-1, *z.shape[1:]])
    return sample_from(denoise, DDIM(), grid, [0] * len(moved), moved)
