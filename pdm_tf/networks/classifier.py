"""A small classifier of noisy pictures: the way down of a U-Net, and pooling."""

import math
from typing import Any

import keras
import tensorflow as tf

from pdm_tf.networks.blocks import (
    Downsample,
    ResidualBlock,
    apply_in_turn,
    build_in_turn,
)
from pdm_tf.networks.embeddings import timestep_code
from pdm_tf.networks.layers import GroupNorm, conv, dense
from pdm_tf.networks.patches import patchify
from pdm_tf.networks.transforms import conditions

_GRID = 16  # patches along the shorter side, or a little more
_LEVELS = 3
_SMALLEST = 4  # of the last grid


class NoisyClassifier(keras.Model):
    """Logits of the classes of noisy pictures; its weights exist once it is made.

    Args:
      image_shape: H, W, C.
      num_classes: K.
      width: channels of the finest level; the others have twice as many.
    """

    _default_save_signature = None  # see `PatchedUNet`

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        width: int = 32,
        **settings: Any,
    ) -> None:
        super().__init__(autocast=False, **{"name": "classifier", **settings})
        self.image_shape, self.num_classes = tuple(image_shape), num_classes
        self.width, self.time_width = width, 2 * width
        self.patch_size = patch_size_for(image_shape)
        self.patches_in = conv(width, 3, name="patches_in")
        self.time_1 = dense(self.time_width, name="time_1")
        self.time_2 = dense(self.time_width, name="time_2")
        down: list[keras.layers.Layer] = []
        side = min(image_shape[:2]) // self.patch_size
        for level in range(_LEVELS):
            if level and side >= 2 * _SMALLEST:
                side //= 2
                down.append(Downsample(self._channels(level), name=f"sample_{level}"))
            sizes = self._channels(level), self.time_width
            down.append(ResidualBlock(*sizes, project=True, name=f"block_{level}"))
        self.down = down
        self.norm = GroupNorm(name="norm")
        self.logits = dense(num_classes, zero=True, name="logits")
        self.build()

    def _channels(self, level: int) -> int:
        return 2 * self.width if level else self.width

    def build(self, input_shape: Any = None) -> None:
        pixels = self.image_shape[2] * self.patch_size**2
        self.patches_in.build((None, None, None, pixels))
        self.time_1.build((None, self.width))
        self.time_2.build((None, self.time_width))
        channels = build_in_turn(self.down, self.width)
        self.norm.build((None, None, None, channels))
        self.logits.build((None, channels))
        self.built = True

    def call(self, z: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
        """Logits float32 [B, K].

        Args:
          z: noisy pictures, float32 [B, H, W, C].
          time: how noisy, float32 [B] or [1], about 0 to 1,000.
        """
        code = timestep_code(time, self.width)
        code = tf.nn.silu(self.time_2(tf.nn.silu(self.time_1(code))))
        h = self.patches_in(patchify(z, self.patch_size))
        with conditions(time, None):
            h = apply_in_turn(self.down, h, code, None)
        h = tf.nn.silu(self.norm(h))
        return self.logits(tf.reduce_mean(h, axis=[1, 2]))


def patch_size_for(image_shape: tuple[int, ...]) -> int:
    """A power of two that divides the picture, into about 16 patches a side."""
    height, width, *_ = image_shape
    largest = max(1, min(height, width) // _GRID)
    return math.gcd(height, width, 2 ** int(math.log2(largest)))
