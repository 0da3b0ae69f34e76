"""From one picture to another, through their noise (arXiv 2010.02502, section 5.3)."""

from collections.abc import Sequence

import tensorflow as tf

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid
from pdm_tf.samplers import DDIM, encode, invertible, sample_from


def slerp(a: tf.Tensor, b: tf.Tensor, share: tf.Tensor | float) -> tf.Tensor:
    """Spherical interpolation: a at share 0, b at share 1 (equation 67 there).

    Unlike a straight mean it keeps the length that noise has.

    Args:
      a: [N or 1, H, W, C].
      b: [N or 1, H, W, C].
      share: in [0, 1], [] or [N, 1, 1, 1].
    """

    def dot(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(u * v, axis=[1, 2, 3], keepdims=True)

    cosine = dot(a, b) * tf.math.rsqrt(dot(a, a) * dot(b, b))
    # Away from ±1, where the sphere's arc is a straight line and sin is 0.
    angle = tf.acos(tf.clip_by_value(cosine, -0.9999, 0.9999))
    share = tf.convert_to_tensor(share, a.dtype)
    of_a, of_b = tf.sin((1.0 - share) * angle), tf.sin(share * angle)
    return (of_a * a + of_b * b) / tf.sin(angle)


def interpolate(
    denoise: Denoiser,
    grid: Grid,
    first: tf.Tensor,
    second: tf.Tensor,
    shares: Sequence[float],
    iterations: int = 1,
) -> tf.Tensor:
    """The pictures on the way from one to the other.

    Both are encoded by DDIM, their noise interpolated, and decoded.

    Args:
      denoise: the denoiser, without guidance.
      grid: the levels to visit, up and down; of these the `invertible` ones.
      first: [1, H, W, C] in [-1, 1].
      second: likewise.
      shares: how far along, each in [0, 1].
      iterations: of `encode`.

    Returns:
      float32 [N, H, W, C], one picture for each share.
    """
    grid = invertible(grid)
    # One seed for both, so that what neither picture decides does not change.
    both = tf.concat([first, second], 0)
    z = encode(denoise, grid, [0, 0], both, iterations)
    wide = tf.reshape(tf.constant(shares, z.dtype), [-1, 1, 1, 1])
    z = slerp(z[:1], z[1:], wide)
    return sample_from(denoise, DDIM(), grid, tf.zeros([len(shares)], tf.int32), z)
