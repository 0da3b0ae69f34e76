"""What a model would not have drawn: anomaly maps by noise and back.

As surveyed for medical pictures (arXiv 2211.07804): a picture is noised in part and
denoised; a model of what is normal gives back what it knows, and the rest differs.
"""

import tensorflow as tf

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.samplers import Sampler
from pdm_tf.samplers.sampler import Seeds


def anomaly_map(
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds,
    picture: tf.Tensor,
    strength: float,
    draws: int,
) -> tf.Tensor:
    """Where pictures differ from what comes back of them: |x - x'|, x' a mean of draws.

    Args:
      denoise: the denoiser.
      sampler: how to step.
      grid: S levels, S known.
      seeds: int32 [N], of the noise of each picture's first draw; the k-th is seed + k.
      picture: [N or 1, H, W, C] in [-1, 1].
      strength: share of the levels that are passed, see `sdedit`.
      draws: how often.

    Returns:
      float32 [N, H, W, C] in [0, 2], 0 where nothing differs.

    Raises:
      InputError: a strength outside [0, 1].
    """
    seeds = tf.convert_to_tensor(seeds, tf.int32)
    total = tf.zeros([len(seeds), *picture.shape[1:]])
    for draw in range(draws):
        made = sdedit(denoise, sampler, grid, seeds + draw, picture, strength)
        total += made
    return tf.abs(total / draws - picture)
