"""Painting what is missing: by replacement, and RePaint (arXiv 2201.09865)."""

import tensorflow as tf

from pdm_tf.denoisers import Denoiser, constrained
from pdm_tf.diffusion import Grid
from pdm_tf.inverse.repaint import Resampled, resampled_grid
from pdm_tf.samplers import Sampler, sample
from pdm_tf.samplers.sampler import Seeds


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
