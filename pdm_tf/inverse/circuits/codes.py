"""Patches as codes: the centres of k-means, and how much their patches vary."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from scipy.cluster.vq import kmeans2, vq

from pdm_tf.errors import SettingError
from pdm_tf.networks.patches import patchify, unpatchify

_ITERATIONS = 20  # of k-means


class Moments(NamedTuple):
    """Mean and variance of every pixel."""

    mean: tf.Tensor
    variance: tf.Tensor


@dataclass(frozen=True, eq=False)
class Codebook:
    """K patches, which stand for all others.

    Attributes:
      patch: P, pixels.
      centres: float32 [K, P·P·C], pixels in [-1, 1].
      variances: float32 [K, P·P·C], of the pixels around their centre.
    """

    patch: int
    centres: np.ndarray
    variances: np.ndarray

    def encode(self, x: np.ndarray) -> np.ndarray:
        """The nearest codes of pictures [N, H, W, C]: int32 [N, n]."""
        rows = np.asarray(rows_of(x, self.patch))
        found = vq(rows.reshape(-1, rows.shape[-1]), self.centres)[0]
        return found.reshape(rows.shape[:2]).astype(np.int32)

    def distances(self, rows: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Weighted squared distances of patches to all centres: [B, m, K].

        Args:
          rows: patches [B, m, P·P·C].
          weights: of each pixel, [B or 1, m, P·P·C].
        """
        flat = np.concatenate([self.centres**2, -2.0 * self.centres], -1).T
        seen = weights * rows
        both = tf.concat([weights + tf.zeros_like(rows), seen], -1)
        return tf.matmul(both, flat) + tf.reduce_sum(seen * rows, -1, keepdims=True)

    def moments(self, p: tf.Tensor) -> Moments:
        """What laws of codes [B, m, K] say of the pixels, patches [B, m, P·P·C].

        The law of a code's patches has a mean and a variance, and so has a mixture of
        them: no sample of codes is needed.
        """
        table = np.concatenate([self.centres, self.variances + self.centres**2], -1)
        mean, square = tf.split(tf.matmul(p, table), 2, -1)
        return Moments(mean, tf.nn.relu(square - mean**2))

    def pictures(self, rows: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
        """Patches [B, n, P·P·C] as pictures [B, H, W, C] of a shape (H, W, C)."""
        grid = [-1, shape[0] // self.patch, shape[1] // self.patch, rows.shape[-1]]
        return unpatchify(tf.reshape(rows, grid), self.patch)


def rows_of(x: tf.Tensor, patch: int) -> tf.Tensor:
    """Pictures [B, H, W, C] as rows of patches [B, n, P·P·C]."""
    found = patchify(x, patch)
    count = found.shape[1] * found.shape[2]
    return tf.reshape(found, [-1, count, found.shape[3]])


def learn_codebook(
    x: np.ndarray, patch: int, codes: int, seed: int = 0, most: int = 40_000
) -> Codebook:
    """Codes of pictures, by k-means.

    Args:
      x: float32 [N, H, W, C].
      patch: P, which divides H and W.
      codes: K.
      seed: of the first centres, and of the patches that are taken.
      most: patches to learn from.

    Raises:
      SettingError: more codes than there are different patches.
    """
    rows = np.asarray(rows_of(x, patch))
    rows = rows.reshape(-1, rows.shape[-1])
    rng = np.random.default_rng(seed)
    if len(rows) > most:
        rows = rows[rng.choice(len(rows), most, replace=False)]
    different = len(np.unique(rows, axis=0))
    if different < codes:
        raise SettingError(
            "codes", codes, f"there are only {different} different patches; give fewer"
        )
    centres, found = kmeans2(
        rows, codes, _ITERATIONS, minit="++", seed=seed, missing="warn"
    )
    sizes = np.maximum(np.bincount(found, minlength=codes), 1)
    spread = np.zeros_like(centres)
    np.add.at(spread, found, np.square(rows - centres[found]))
    variances = spread / sizes[:, None]
    return Codebook(patch, centres.astype(np.float32), variances.astype(np.float32))
