"""Directions in which an estimate changes most: singular vectors of its derivative.

J is the derivative of the estimate of x by z. At middle noise it has few large singular
values (arXiv 2409.02426); it is never built, but for its products with vectors.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import NoiseLevel

ITERATIONS = 100  # at most
_TINY = 1e-12
_BESIDE = 8  # directions iterated beside those asked for, which so converge sooner


class Directions(NamedTuple):
    """Right singular vectors of a part of J, and its singular values, falling.

    Of each vector the largest entry is positive.
    """

    vectors: np.ndarray  # float32 [K, H, W, C], orthonormal
    values: np.ndarray  # float32 [K]


class Derivative:
    """Products of J with vectors, exact, many at once.

    Args:
      denoise: what estimates x, conditioned as it is to be for any number of pictures;
        TensorFlow must be able to differentiate it.
      level: the level [] of the noisy pictures.
    """

    def __init__(self, denoise: Denoiser, level: NoiseLevel) -> None:
        self._denoise, self._level = denoise, level
        pictures = tf.TensorSpec([None, *denoise.image_shape])
        single = tf.TensorSpec([1, *denoise.image_shape])
        signature = [single, pictures]
        self.transposed = tf.function(
            self._transposed, input_signature=signature, autograph=False
        )
        self.forward = tf.function(
            self._forward, input_signature=signature, autograph=False
        )

    def _transposed(self, z: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
        """Jᵀu at z [1, H, W, C], for u [K, H, W, C]."""
        many = tf.repeat(z, tf.shape(u)[0], axis=0)
        with tf.GradientTape() as tape:
            tape.watch(many)
            x = self._denoise(many, self._level).x
        return tape.gradient(x, many, output_gradients=u)

    def _forward(self, z: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        """J v: Jᵀu is linear in u, and J v its derivative by u. Forward accumulators
        do not pass functions that are kept apart, as networks are.
        """
        u = tf.zeros_like(v)
        with tf.GradientTape() as tape:
            tape.watch(u)
            back = self._transposed(z, u)
        return tape.gradient(back, u, output_gradients=v)

    def matrix(self, z: tf.Tensor, batch: int = 128) -> np.ndarray:
        """The whole J at z [1, H, W, C], float32 [HWC, HWC]: for small pictures."""
        size = int(np.prod(z.shape))
        rows = np.eye(size, dtype=np.float32).reshape(size, *z.shape[1:])
        parts = np.array_split(rows, -(-size // batch))
        found = [self.transposed(z, tf.constant(part)).numpy() for part in parts]
        return np.concatenate(found).reshape(size, size)


def singular_directions(
    derivative: Derivative,
    z: tf.Tensor,
    rows: np.ndarray,
    count: int,
    without: np.ndarray | None = None,
    iterations: int = ITERATIONS,
    tolerance: float = 1e-3,
) -> Directions:
    """Leading right singular vectors of R J P, by subspace iteration.

    R keeps some pixels of the estimate; P is the projection on all directions that are
    orthogonal to given ones.

    Args:
      derivative: J.
      z: the noisy picture, [1, H, W, C].
      rows: which pixels R keeps, 0 or 1, [H, W, 1].
      count: K, at most H·W·C.
      without: orthonormal directions that P takes away, [L, H, W, C]; none: P = 1.
      iterations: at most; each takes one product with J and one with its transpose.
      tolerance: where no singular value changes by more than this share of the largest
        one, it ends.
    """
    shape, rows = tuple(z.shape[1:]), rows.astype(np.float32)
    away = np.zeros([0, *shape], np.float32) if without is None else without
    many = min(count + _BESIDE, int(np.prod(shape)))
    start = np.random.default_rng(count).standard_normal([many, *shape])
    vectors = _orthonormal(projected(start.astype(np.float32), away))
    before = np.zeros(count)
    for _ in range(iterations):
        images = rows * derivative.forward(z, tf.constant(vectors)).numpy()
        found, values = _turned(vectors, images)
        change = np.abs(values[:count] - before).max()
        if change <= tolerance * (values[0] + _TINY):
            break
        before = values[:count]
        back = derivative.transposed(z, tf.constant(rows * images)).numpy()
        vectors = _orthonormal(projected(back, away))
    return Directions(_signed(found[:count]), values[:count])


def projected(vectors: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Vectors [K, …] without their parts along orthonormal ones [L, …]."""
    flat, others = _flat(vectors), _flat(away)
    return (flat - (flat @ others.T) @ others).reshape(vectors.shape)


def _turned(vectors: np.ndarray, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The singular vectors within a subspace, and their values (Rayleigh and Ritz)."""
    turn, values, _ = np.linalg.svd(_flat(images), full_matrices=False)
    return (turn.T @ _flat(vectors)).reshape(vectors.shape), values


def _flat(vectors: np.ndarray) -> np.ndarray:
    return vectors.reshape(len(vectors), int(np.prod(vectors.shape[1:])))


def _orthonormal(vectors: np.ndarray) -> np.ndarray:
    q, _ = np.linalg.qr(_flat(vectors).T)
    return np.ascontiguousarray(q.T).reshape(vectors.shape)


def _signed(vectors: np.ndarray) -> np.ndarray:
    flat = _flat(vectors)
    largest = np.abs(flat).argmax(axis=1)
    sign = np.sign(np.take_along_axis(flat, largest[:, None], axis=1))
    return (flat * sign).reshape(vectors.shape)
