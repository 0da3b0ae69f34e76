"""Features of fixed random convolutions, for any pictures where weights are missing.

Distances in this space rank models on the same data; they compare with nothing that
others publish.
"""

from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.data.images import to_float
from pdm_tf.errors import SettingError
from pdm_tf.evaluation.features.extractor import Features

WIDTHS = (32, 64, 128)  # of 3x3 convolutions; all but the first halve the picture
STRIDES = (1, 2, 2)
SPATIAL_SIDE, SPATIAL_CHANNELS = 4, 7
SMALLEST = 16  # pixels
PIXELS = 2**21  # at once, so that large pictures fit into memory


@cache
def _kernels(channels: int) -> tuple[np.ndarray, ...]:
    # RandomState and not Generator: its stream is promised never to change.
    random, kernels = np.random.RandomState(0), []
    for width in WIDTHS:
        scale = np.sqrt(2 / (9 * channels))
        kernels.append(random.standard_normal((3, 3, channels, width)) * scale)
        channels = width
    return tuple(kernel.astype(np.float32) for kernel in kernels)


@tf.function(reduce_retracing=True)
def _run(pictures: tf.Tensor, *kernels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    x = to_float(pictures)
    for kernel, stride in zip(kernels, STRIDES, strict=True):
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, stride, "SAME"))
    mean, variance = tf.nn.moments(x, [1, 2])
    side = [SPATIAL_SIDE, SPATIAL_SIDE]
    spatial = tf.image.resize(x[..., :SPATIAL_CHANNELS], side, "area")
    pooled = tf.concat([mean, tf.sqrt(variance)], axis=1)
    return pooled, tf.reshape(spatial, [tf.shape(x)[0], -1])


class RandomConvolutions:
    """Means and deviations of 128 random channels, and a 4x4 map of 7 of them."""

    name = "random"
    sizes = (2 * WIDTHS[-1], SPATIAL_SIDE**2 * SPATIAL_CHANNELS)

    def describe(self) -> dict[str, Any]:
        """What a report says of it."""
        return {"kind": "fixed random convolutions, version 1"}

    def __call__(self, pictures: np.ndarray) -> Features:
        """uint8 [N, H, W, C], H and W at least 16 -> features without probabilities."""
        _, height, width, channels = pictures.shape
        if min(height, width) < SMALLEST:
            raise SettingError(
                "features",
                "random",
                f"needs pictures of {SMALLEST} pixels or more, these are "
                f"{height}x{width}; use `features=inception`",
            )
        chunk = max(1, PIXELS // (height * width))
        found = [
            _run(tf.constant(pictures[i : i + chunk]), *_kernels(channels))
            for i in range(0, len(pictures), chunk)
        ]
        pooled, spatial = (
            np.concatenate([part[k].numpy() for part in found]) for k in (0, 1)
        )
        return Features(pooled, spatial, None)
