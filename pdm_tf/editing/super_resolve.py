"""Larger pictures: low frequencies given, the others drawn (ILVR, arXiv 2108.02938)."""

import tensorflow as tf

from pdm_tf.denoisers import Denoiser, constrained
from pdm_tf.diffusion import Grid
from pdm_tf.errors import SettingError
from pdm_tf.samplers import Sampler, sample
from pdm_tf.samplers.sampler import Seeds


def shrink(x: tf.Tensor, factor: int) -> tf.Tensor:
    """Means of squares of factor x factor pixels: [N, H/factor, W/factor, C]."""
    return tf.nn.avg_pool2d(x, factor, factor, "VALID")


def enlarge(x: tf.Tensor, factor: int) -> tf.Tensor:
    """Every pixel a square of factor x factor: [N, H·factor, W·factor, C]."""
    return tf.repeat(tf.repeat(x, factor, axis=1), factor, axis=2)


def factor_between(small: tuple[int, ...], large: tuple[int, ...]) -> int:
    """How many times larger (H, W) is: from 2 on, and the same both ways.

    Raises:
      InputError: it is not, with sizes that would be.
    """
    factor = large[0] // small[0]
    if factor < 2 or (small[0] * factor, small[1] * factor) != tuple(large[:2]):
        fitting = [
            f"{large[1] // f}x{large[0] // f}"
            for f in (2, 4, 8)
            if large[0] % f == large[1] % f == 0
        ]
        raise SettingError(
            "image",
            None,
            f"{small[1]}x{small[0]} pixels, while the model draws "
            f"{large[1]}x{large[0]}; give {' or '.join(fitting)}",
        )
    return factor


def super_resolve(
    denoise: Denoiser, sampler: Sampler, grid: Grid, seeds: Seeds, small: tf.Tensor
) -> tf.Tensor:
    """Draws pictures whose means over squares of pixels are those of a small one.

    Each estimate is moved, by as little as can be, to one with these means; so the last
    one has them, up to rounding.

    Args:
      denoise: the denoiser; its image_shape is that of the results.
      sampler: how to step.
      grid: the levels to visit.
      seeds: int32 [N], one for each result.
      small: [N or 1, H/factor, W/factor, C] in [-1, 1].

    Returns:
      float32 [N, H, W, C].

    Raises:
      InputError: the sizes are not whole multiples of each other.
    """
    factor = factor_between(tuple(small.shape[1:3]), denoise.image_shape)

    def constraint(x: tf.Tensor) -> tf.Tensor:
        return x + enlarge(small - shrink(x, factor), factor)

    held = constrained(denoise, constraint)
    return sample(held, sampler, grid, seeds, denoise.image_shape)
