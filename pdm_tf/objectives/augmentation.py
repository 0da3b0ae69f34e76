"""EDM's augmentation (arXiv 2206.00364, appendix F.2), which does not leak.

Every transform is of the plane, drawn at random for each picture, and the
network is conditioned on a vector of them. Pictures that nothing happened to have 0,
which samples are drawn with: so the augmentation does not leak into them.

    entry  what                              drawn as
    0      mirrored left to right            0 or 1, always
    1      turned upside down                0 or 1
    2      scaled by 2 ** (0.2 * entry)      normal
    3, 4   rotated                           angle even in a circle: cos - 1, sin
    5, 6   stretched along a direction       log2 of the ratio normal: times cos, sin
    7, 8   shifted along x and y             normal, in eighths of width and height
"""

import math
from typing import NamedTuple

import tensorflow as tf

from pdm_tf import seeds

DRAWN = 17  # uniform numbers a picture
STREAM = 0x6175676D  # "augm", apart from the streams of noise and order
_LOG_SIZE, _SHIFT = 0.2, 0.125  # EDM's standard deviations, in log2 and in sides


class Transforms(NamedTuple):
    """What happens to each picture of a batch; float32 [B] each, 0 for nothing."""

    mirror: tf.Tensor  # 0 or 1
    flip: tf.Tensor  # 0 or 1
    scale: tf.Tensor  # in standard deviations of log2 of the size
    rotate: tf.Tensor  # [radians]
    stretch: tf.Tensor  # in standard deviations of log2 of the ratio
    direction: tf.Tensor  # of the stretch [radians]
    shift_x: tf.Tensor  # in standard deviations
    shift_y: tf.Tensor

    @property
    def vector(self) -> tf.Tensor:
        """What the network is conditioned on, float32 [B, 9]."""
        entries = [
            self.mirror,
            self.flip,
            self.scale,
            tf.cos(self.rotate) - 1.0,
            tf.sin(self.rotate),
            self.stretch * tf.cos(self.direction),
            self.stretch * tf.sin(self.direction),
            self.shift_x,
            self.shift_y,
        ]
        return tf.stack(entries, axis=1)


def draw_transforms(u: tf.Tensor, chance: float, names: tuple[str, ...]) -> Transforms:
    """Which transforms each picture gets.

    Args:
      u: even in [0, 1), float32 [B, DRAWN].
      chance: of each transform but mirroring, whose outcome alone is drawn.
      names: of those that are drawn at all, see `config.augmenting.TRANSFORMS`.
    """

    def chosen(name: str, column: int, value: tf.Tensor) -> tf.Tensor:
        share = chance if name in names else 0.0
        return tf.where(u[:, column] < share, value, 0.0)

    def coin(column: int) -> tf.Tensor:
        return tf.floor(2.0 * u[:, column])

    def angle(column: int) -> tf.Tensor:
        return (2.0 * u[:, column] - 1.0) * math.pi

    def normal(column: int) -> tf.Tensor:
        return seeds.normal_from(u[:, column], u[:, column + 1])

    return Transforms(
        mirror=coin(0) * float(chance > 0 and "mirror" in names),
        flip=chosen("flip", 1, coin(2)),
        scale=chosen("scale", 3, normal(4)),
        rotate=chosen("rotate", 6, angle(7)),
        stretch=chosen("stretch", 8, normal(9)),
        direction=chosen("stretch", 8, angle(11)),
        shift_x=chosen("shift", 12, normal(13)),
        shift_y=chosen("shift", 12, normal(15)),
    )


def transform(x: tf.Tensor, transforms: Transforms) -> tf.Tensor:
    """Pictures x [B, H, W, C] in [-1, 1], transformed; untouched ones keep their bits.

    Each pixel is read once, between pixels by Catmull-Rom's cubic curve, beyond the
    edges from the picture's mirror image. EDM filters with wavelets; what this blurs or
    roughens a little, the network is conditioned on.
    """
    columns, rows = _places(transforms, x.shape[1], x.shape[2])
    moved = tf.clip_by_value(_read(x, columns, rows), -1.0, 1.0)
    still = tf.reduce_all(tf.equal(transforms.vector, 0.0), axis=1)
    return tf.where(still[:, None, None, None], x, moved)


def _places(
    transforms: Transforms, height: int, width: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where each pixel comes from: columns and rows, float32 [B, H, W] each.

    The transforms act one after the other in the order of `Transforms`; their inverses
    are applied here from the last to the first.
    """

    def each(value: tf.Tensor) -> tf.Tensor:
        return value[:, None, None]

    def turned(x: tf.Tensor, y: tf.Tensor, by: tf.Tensor) -> tuple[tf.Tensor, ...]:
        cos, sin = each(tf.cos(by)), each(tf.sin(by))
        return cos * x - sin * y, sin * x + cos * y

    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x = tf.range(width, dtype=tf.float32)[None, None] - middle_x
    y = tf.range(height, dtype=tf.float32)[None, :, None] - middle_y
    x = x - each(transforms.shift_x * (_SHIFT * width))
    y = y - each(transforms.shift_y * (_SHIFT * height))
    x, y = turned(x, y, -transforms.direction)
    ratio = each(2.0 ** (_LOG_SIZE * transforms.stretch))
    x, y = turned(x / ratio, y * ratio, transforms.direction)
    x, y = turned(x, y, -transforms.rotate)
    size = each(2.0 ** (_LOG_SIZE * transforms.scale))
    x, y = x / size, y / size
    x, y = x * each(1 - 2 * transforms.mirror), y * each(1 - 2 * transforms.flip)
    return x + middle_x, y + middle_y


def _read(x: tf.Tensor, columns: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Pictures at places between their pixels."""
    height, width, channels = x.shape[1:]
    across, of_columns = _taps(columns, width)
    down, of_rows = _taps(rows, height)
    index = down[..., :, None] * width + across[..., None, :]  # [B, H, W, 4, 4]
    index = tf.reshape(index, [-1, height * width, 16])
    flat = tf.reshape(x, [-1, height * width, channels])
    read = tf.reshape(
        tf.gather(flat, index, batch_dims=1), [-1, height, width, 4, 4, channels]
    )
    lines = tf.reduce_sum(read * of_columns[..., None, :, None], axis=4)
    return tf.reduce_sum(lines * of_rows[..., None], axis=3)


def _taps(place: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Indices int32 [..., 4] of the pixels around a place, and their weights."""
    below = tf.floor(place)
    f = place - below
    weights = tf.stack(
        [
            f * (-0.5 + f * (1.0 - 0.5 * f)),
            1.0 + f * f * (1.5 * f - 2.5),
            f * (0.5 + f * (2.0 - 1.5 * f)),
            f * f * (0.5 * f - 0.5),
        ],
        axis=-1,
    )
    index = tf.cast(below, tf.int32)[..., None] + tf.range(-1, 3)
    period = max(2 * (size - 1), 1)
    index = tf.math.floormod(index, period)
    return tf.minimum(index, period - index) if size > 1 else 0 * index, weights
