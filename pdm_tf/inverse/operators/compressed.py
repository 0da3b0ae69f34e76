"""Compressed sensing: few numbers of each block, by orthonormal rows."""

import numpy as np
import tensorflow as tf

from pdm_tf.inverse.operators.operator import Operator, Tight

_BLOCK = 1024  # numbers in a block at most


class Compressed(Tight):
    """Pixels in a random order, q orthonormal rows for each block: [N, blocks, q].

    As in IDM (arXiv 2403.17006): all blocks share the rows.

    Args:
      shape: (H, W, C).
      ratio: share of the numbers of a picture that is measured, rounded to whole rows.
      seed: of order and rows.
    """

    def __init__(self, shape: tuple[int, ...], ratio: float, seed: int) -> None:
        size = int(np.prod(shape))
        block = max(b for b in range(1, min(size, _BLOCK) + 1) if size % b == 0)
        rows = max(1, round(ratio * block))
        super().__init__(shape, (size // block, rows))
        self.ratio, self.seed = ratio, seed
        rng = np.random.default_rng(seed)
        self._order = rng.permutation(size)
        self._back = np.argsort(self._order)
        self._rows = np.linalg.qr(rng.standard_normal((block, rows)))[0].T

    def same_as(self, other: Operator) -> bool:
        """Whether another operator gives the same numbers of every picture."""
        return (
            isinstance(other, Compressed)
            and other.shape == self.shape
            and np.array_equal(other._rows, self._rows)
            and np.array_equal(other._order, self._order)
        )

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        mixed = tf.gather(tf.reshape(x, [-1, self.size]), self._order, axis=1)
        blocks = tf.reshape(mixed, [-1, self.measured[0], self._rows.shape[1]])
        return tf.einsum("nbi,qi->nbq", blocks, tf.constant(self._rows, x.dtype))

    def adjoint(self, y: tf.Tensor, at: tf.Tensor | None = None) -> tf.Tensor:
        blocks = tf.einsum("nbq,qi->nbi", y, tf.constant(self._rows, y.dtype))
        mixed = tf.gather(tf.reshape(blocks, [-1, self.size]), self._back, axis=1)
        return tf.reshape(mixed, [-1, *self.shape])
