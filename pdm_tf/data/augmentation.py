"""Plain augmentation, whose pictures samples resemble: flips, shifts, colours."""

from dataclasses import dataclass

import tensorflow as tf

from pdm_tf import seeds

STREAM = 0x706C6169  # "plai", apart from the streams of flips and noise
_DRAWN = 6  # uniform numbers a picture
_LUMA = (0.299, 0.587, 0.114)  # of red, green, blue (ITU-R BT.601)


@dataclass(frozen=True)
class PlainAugmentation:
    """What changes pictures beside horizontal flips; none of it by default.

    Attributes:
      vertical_flip: turn half of them upside down.
      random_crop: largest shift along each axis [pixels], edges mirrored.
      colour_jitter: largest change of brightness (as a share of the range), contrast
        and, of three channels, saturation (as a share of themselves).
    """

    vertical_flip: bool = False
    random_crop: int = 0
    colour_jitter: float = 0.0

    def __call__(
        self, x: tf.Tensor, seed: int, step: tf.Tensor, batch_size: int, rows: slice
    ) -> tf.Tensor:
        """Pictures uint8 [B, H, W, C], those rows of the global batch of a step.

        A function of (seed, step, place in the batch) beside the pictures.
        """
        if self == PlainAugmentation():
            return x
        u = seeds.step_uniform(seed, step, STREAM, batch_size, _DRAWN)[rows]
        if self.vertical_flip:
            x = mirrored(x, u[:, 0] < 0.5, axis=1)
        if self.random_crop:
            x = shifted(x, u[:, 1:3], self.random_crop)
        if self.colour_jitter:
            x = recoloured(x, u[:, 3:], self.colour_jitter)
        return x


def mirrored(x: tf.Tensor, mirror: tf.Tensor, axis: int = 2) -> tf.Tensor:
    """x [B, H, W, C], mirrored along an axis where mirror [B] is true."""
    both = tf.stack([x, tf.reverse(x, [axis])])
    # Rows are gathered and not chosen by tf.where, which is four times as slow.
    row = tf.range(tf.shape(x)[0])
    return tf.gather_nd(both, tf.stack([tf.cast(mirror, tf.int32), row], axis=1))


def shifted(x: tf.Tensor, u: tf.Tensor, most: int) -> tf.Tensor:
    """Each picture moved by whole pixels, at most so many; u float32 [B, 2]."""
    shift = tf.cast(tf.floor(u * (2 * most + 1)), tf.int32) - most
    for axis in (1, 2):
        size = x.shape[axis]
        period = max(2 * (size - 1), 1)
        index = tf.range(size)[None] + shift[:, axis - 1, None]
        index = tf.math.floormod(index, period)
        index = tf.minimum(index, period - index) if size > 1 else 0 * index
        x = tf.gather(x, index, axis=axis, batch_dims=1)
    return x


def recoloured(x: tf.Tensor, u: tf.Tensor, most: float) -> tf.Tensor:
    """Pictures of another brightness, contrast and saturation; u float32 [B, 3]."""
    change = (most * (2.0 * u - 1.0))[:, None, None, :]
    value = tf.cast(x, tf.float32)
    if x.shape[-1] == 3:
        grey = tf.reduce_sum(value * tf.constant(_LUMA), axis=-1, keepdims=True)
        value = grey + (value - grey) * (1.0 + change[..., 2:])
    mean = tf.reduce_mean(value, axis=[1, 2, 3], keepdims=True)
    value = mean + (value - mean) * (1.0 + change[..., 1:2]) + 255.0 * change[..., :1]
    return tf.cast(tf.round(tf.clip_by_value(value, 0.0, 255.0)), tf.uint8)
