"""Pixels that are seen, and pixels that are not: inpainting."""

import numpy as np
import tensorflow as tf

from pdm_tf.errors import InputError
from pdm_tf.inverse.operators.operator import Tight


class Mask(Tight):
    """The pixels that a mask does not hide: [N, K, C].

    Args:
      shape: (H, W, C).
      hidden: bool [H, W], true where nothing is seen.

    Raises:
      InputError: everything is hidden, or nothing.
    """

    def __init__(self, shape: tuple[int, ...], hidden: np.ndarray) -> None:
        if hidden.all():
            raise InputError("hides every pixel, so nothing is measured")
        if not hidden.any():
            raise InputError("hides no pixel, so nothing is to be found")
        self.hidden = hidden
        self._seen = np.flatnonzero(~hidden)
        # Where each pixel stands among those seen; the hidden ones, behind them all.
        self._place = np.full(hidden.size, len(self._seen), np.int32)
        self._place[self._seen] = np.arange(len(self._seen))
        super().__init__(shape, (len(self._seen), shape[2]))

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        rows = tf.reshape(x, [-1, self._place.size, self.shape[2]])
        return tf.gather(rows, self._seen, axis=1)

    def adjoint(self, y: tf.Tensor, at: tf.Tensor | None = None) -> tf.Tensor:
        padded = tf.pad(y, [[0, 0], [0, 1], [0, 0]])
        return tf.reshape(tf.gather(padded, self._place, axis=1), [-1, *self.shape])

    def fitted(
        self, x: tf.Tensor, y: tf.Tensor, ridge: tf.Tensor | float = 0.0
    ) -> tf.Tensor:
        if isinstance(ridge, float) and not ridge:  # to the bit what was measured
            return tf.where(self.hidden[..., None], x, self.adjoint(y))
        return super().fitted(x, y, ridge)


def box(shape: tuple[int, ...], share: float) -> Mask:
    """A box in the middle is hidden, its sides the given share of the picture's."""
    height, width, _ = shape
    sides = [max(1, round(share * side)) for side in (height, width)]
    top, left = (height - sides[0]) // 2, (width - sides[1]) // 2
    hidden = np.zeros((height, width), bool)
    hidden[top : top + sides[0], left : left + sides[1]] = True
    return Mask(shape, hidden)


def random_mask(shape: tuple[int, ...], share: float, seed: int) -> Mask:
    """The given share of the pixels is hidden, by chance."""
    count = shape[0] * shape[1]
    order = np.random.default_rng(seed).permutation(count)
    hidden = np.zeros(count, bool)
    hidden[order[: round(share * count)]] = True
    return Mask(shape, hidden.reshape(shape[:2]))
