"""Pictures near a picture: its noise turned towards other noise."""

import tensorflow as tf

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid
from pdm_tf.editing.interpolate import slerp
from pdm_tf.editing.sdedit import check_strength
from pdm_tf.samplers import DDIM, encode, invertible, sample_from, start
from pdm_tf.samplers.sampler import Seeds


def variations(
    denoise: Denoiser,
    grid: Grid,
    seeds: Seeds,
    picture: tf.Tensor,
    strength: float,
    iterations: int = 1,
) -> tf.Tensor:
    """Encodes a picture by DDIM, turns its noise, and decodes.

    Unlike `sdedit`, which redraws details and keeps the layout, all sizes of features
    change a little.

    Args:
      denoise: the denoiser, without guidance.
      grid: the levels to visit, up and down; of these the `invertible` ones.
      seeds: int32 [N], one for each result.
      picture: [1, H, W, C] in [-1, 1].
      strength: 0 gives the picture back as well as encoding can, 1 is `sample` with
        DDIM, these seeds and levels.
      iterations: of `encode`.

    Returns:
      float32 [N, H, W, C].

    Raises:
      InputError: a strength outside [0, 1].
    """
    check_strength(strength)
    grid = invertible(grid)
    z = encode(denoise, grid, [0], picture, iterations)
    z = slerp(z, start(seeds, tuple(picture.shape[1:])), strength)
    return sample_from(denoise, DDIM(), grid, seeds, z)
