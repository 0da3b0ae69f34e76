"""JPEG: cosine transforms of 8x8 blocks, rounded (ITU-T T.81)."""

import numpy as np
import tensorflow as tf

from pdm_tf.errors import InputError
from pdm_tf.inverse.operators.colour import LUMA
from pdm_tf.inverse.operators.operator import Nonlinear

_SIDE = 8
_LEVELS = 255 / 2  # grey levels in a unit of x
_BRIGHTNESS = np.array(  # T.81, table K.1
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_COLOUR = np.full((8, 8), 99)  # T.81, table K.2
_COLOUR[:4, :4] = [
    [17, 18, 24, 47],
    [18, 21, 26, 66],
    [24, 26, 56, 99],
    [47, 66] + [99] * 2,
]


class JPEG(Nonlinear):
    """Rounded coefficients of each block, [N, H/8, W/8, 8, 8, C].

    Luma and chroma are sampled alike (4:4:4), and the lossless part of the format is
    left out. Rounding passes gradients on as they are; the pseudo-inverse decodes.

    Args:
      shape: (H, W, C), H and W multiples of 8.
      quality: 1 to 100, as libjpeg scales the tables.

    Raises:
      InputError: sides that are no multiples of 8.
    """

    def __init__(self, shape: tuple[int, ...], quality: int) -> None:
        height, width, channels = shape
        if height % _SIDE or width % _SIDE:
            raise InputError(
                f"needs sides that are multiples of 8, and these are {width}x{height}"
            )
        super().__init__(
            shape, (height // _SIDE, width // _SIDE, _SIDE, _SIDE, channels)
        )
        scale = 5000 / quality if quality < 50 else 200 - 2 * quality
        tables = np.stack([_BRIGHTNESS, _COLOUR, _COLOUR][:channels], axis=-1)
        steps = np.clip(np.floor((tables * scale + 50) / 100), 1, 255)
        self._steps = steps / _LEVELS
        self._cosines = _cosines(_SIDE)
        self._colours = _colours() if channels == 3 else np.eye(1)

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        rows, columns = self.measured[:2]
        blocks = tf.reshape(x, [-1, rows, _SIDE, columns, _SIDE, self.shape[2]])
        cosines, colours = self._constants(x.dtype)
        exact = tf.einsum(
            "ui,nrisjc,vj,kc->nrsuvk", cosines, blocks, cosines, colours
        ) / tf.constant(self._steps, x.dtype)
        return exact + tf.stop_gradient(tf.round(exact) - exact)

    def pinv(self, y: tf.Tensor, ridge: tf.Tensor | float = 0.0) -> tf.Tensor:
        cosines, _ = self._constants(y.dtype)
        colours = tf.constant(np.linalg.inv(self._colours), y.dtype)
        scaled = y * tf.constant(self._steps, y.dtype)
        blocks = tf.einsum("ui,nrsuvk,vj,ck->nrisjc", cosines, scaled, cosines, colours)
        return tf.reshape(blocks, [-1, *self.shape])

    def _constants(self, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.constant(self._cosines, dtype), tf.constant(self._colours, dtype)


def _cosines(side: int) -> np.ndarray:
    """The orthonormal cosine transform: [frequency, place]."""
    u, i = np.indices((side, side))
    waves = np.cos(np.pi * u * (2 * i + 1) / (2 * side)) * np.sqrt(2 / side)
    waves[0] /= np.sqrt(2)
    return waves


def _colours() -> np.ndarray:
    """Red, green, blue -> luma and two differences (BT.601), of x about 0."""
    blue, red = np.array([0, 0, 1]) - LUMA, np.array([1, 0, 0]) - LUMA
    return np.stack([LUMA, blue / (2 - 2 * LUMA[2]), red / (2 - 2 * LUMA[0])])
