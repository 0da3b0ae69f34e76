"""From one picture to another, through their noise (arXiv 2010.02502, section 5.3)."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid
from pdm_tf.samplers import DDIM, encode, invertible, sample_from

ROUNDS = 4  # of adding places where pictures differ most


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


class Interpolation:
    """The way from one picture to another, of which any place can be drawn.

    Both are encoded by DDIM, their noise interpolated, and decoded. What encoding loses
    of the ends is added again, in proportion: the way begins and ends with the pictures
    themselves.

    Args:
      denoise: the denoiser, without guidance.
      grid: the levels to visit, up and down; of these the `invertible` ones.
      first: [1, H, W, C] in [-1, 1].
      second: likewise.
      iterations: of `encode`.
    """

    def __init__(
        self,
        denoise: Denoiser,
        grid: Grid,
        first: tf.Tensor,
        second: tf.Tensor,
        iterations: int = 1,
    ) -> None:
        self._denoise, self._grid = denoise, invertible(grid)
        both = tf.concat([first, second], 0)
        # One seed for both, so that what neither picture decides does not change.
        self._z = encode(denoise, self._grid, [0, 0], both, iterations)
        self._lost = both - self._decoded([0.0, 1.0])

    def at(self, shares: Sequence[float]) -> tf.Tensor:
        """Pictures so far along, each share in [0, 1]: float32 [N, H, W, C]."""
        wide = _wide(shares)
        lost = (1.0 - wide) * self._lost[:1] + wide * self._lost[1:]
        return self._decoded(shares) + lost

    def _decoded(self, shares: Sequence[float]) -> tf.Tensor:
        z = slerp(self._z[:1], self._z[1:], _wide(shares))
        seeds = tf.zeros([len(shares)], tf.int32)
        return sample_from(self._denoise, DDIM(), self._grid, seeds, z)


def _wide(shares: Sequence[float]) -> tf.Tensor:
    return tf.reshape(tf.constant(shares, tf.float32), [-1, 1, 1, 1])


def interpolate(
    denoise: Denoiser,
    grid: Grid,
    first: tf.Tensor,
    second: tf.Tensor,
    shares: Sequence[float],
    iterations: int = 1,
) -> tf.Tensor:
    """Pictures at given shares of the way from one to another; see `Interpolation`.

    Returns:
      float32 [N, H, W, C], one picture for each share.
    """
    return Interpolation(denoise, grid, first, second, iterations).at(shares)


def evenly_spaced(path: Callable[[list[float]], np.ndarray], count: int) -> np.ndarray:
    """Pictures of a path, from its one end to the other, that change evenly.

    Pictures change little over most of the noise between two, and much within a small
    part of it: even steps of noise jump there. Places are added between the pictures
    that differ most, and of all the ones are kept that divide the path's length best.

    Args:
      path: shares in [0, 1] -> pictures [N, …].
      count: pictures, at least 1; a single one is the first end.

    Returns:
      [count, …], both ends among them from 2 on.
    """
    if count < 3:
        return path([0.0, 1.0][:count])
    shares = np.linspace(0.0, 1.0, 2 * count - 1)
    x = path(shares.tolist())
    for _ in range(ROUNDS):
        steps = _distances(x)
        wide = np.flatnonzero(steps > 0.7 * steps.sum() / (count - 1))
        wide = np.sort(wide[np.argsort(-steps[wide], kind="stable")[:count]])
        if not wide.size:
            break
        between = (shares[wide] + shares[wide + 1]) / 2
        shares = np.insert(shares, wide + 1, between)
        x = np.insert(x, wide + 1, path(between.tolist()), axis=0)
    gone = np.concatenate([[0.0], np.cumsum(_distances(x))])
    return x[_nearest(gone, np.linspace(0.0, gone[-1], count))]


def _distances(x: np.ndarray) -> np.ndarray:
    """Root mean squares of the changes from each picture to the next."""
    changes = np.diff(x, axis=0).reshape(len(x) - 1, -1)
    return np.sqrt(np.square(changes).mean(axis=1))


def _nearest(gone: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """For each length wanted the index of the place nearest to it, none twice."""
    last, found = -1, []
    for i, length in enumerate(wanted):
        end = len(gone) - (len(wanted) - 1 - i)  # leaves places for the others
        last += 1 + int(np.argmin(np.abs(gone[last + 1 : end] - length)))
        found.append(last)
    return np.asarray(found)
