"""A small classifier of digits: features that need no download.

Its weights lie beside this file, as float16 numbers in an npz without pickles;
`python -m pdm_tf.evaluation.train_digits` makes them. The network is four 3x3
convolutions with batch normalisation folded in, and two dense layers; the output of
the first dense layer is the feature vector.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.errors import SettingError
from pdm_tf.evaluation.features.extractor import Features
from pdm_tf.storage.files import checksum

WEIGHTS = Path(__file__).with_name("digits.npz")
CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4")
POOLED = ("conv1", "conv2", "conv4")  # followed by a 2x2 maximum
SPATIAL_CHANNELS = 7  # of the third convolution's map, as ADM takes 7 of its own
SIDE = 32
CLASSES = 10


@cache
def load_weights() -> dict[str, np.ndarray]:
    """Kernels [3, 3, in, out] or [in, out] and biases [out] by name, float32."""
    with np.load(WEIGHTS, allow_pickle=False) as file:
        return {name: file[name].astype(np.float32) for name in file.files}


def forward(
    x: tf.Tensor, weights: Mapping[str, np.ndarray]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Run the network.

    Args:
      x: float32 [N, 32, 32, 1], grey values in [0, 1], ink is 1.
      weights: float32, by the names of `load_weights`.

    Returns:
      features float32 [N, 64], spatial float32 [N, 4*4*7], logits float32 [N, 10].
    """
    spatial = x
    for name in CONVOLUTIONS:
        x = tf.nn.conv2d(x, weights[f"{name}_kernel"], strides=1, padding="SAME")
        x = tf.nn.relu(x + weights[f"{name}_bias"])
        if name == "conv3":
            # Halved to 4x4, so that a thousand digits determine a covariance well.
            spatial = tf.nn.avg_pool2d(x[..., :SPATIAL_CHANNELS], 2, 2, "VALID")
        if name in POOLED:
            x = tf.nn.max_pool2d(x, ksize=2, strides=2, padding="VALID")
    x = tf.reshape(x, [tf.shape(x)[0], -1])
    features = tf.nn.silu(x @ weights["dense_kernel"] + weights["dense_bias"])
    logits = features @ weights["logits_kernel"] + weights["logits_bias"]
    return features, tf.reshape(spatial, [tf.shape(x)[0], -1]), logits


@tf.function(
    input_signature=[tf.TensorSpec([None, SIDE, SIDE, 1], tf.uint8)],
    reduce_retracing=True,
)
def _run(pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    features, spatial, logits = forward(
        tf.cast(pictures, tf.float32) / 255.0, load_weights()
    )
    return features, spatial, tf.nn.softmax(logits)


def classify(pictures: np.ndarray) -> np.ndarray:
    """Class probabilities of digits: uint8 [N, 32, 32, 1] -> float32 [N, 10]."""
    extract = Digits()
    found = [extract(pictures[i : i + 500]) for i in range(0, len(pictures), 500)]
    none = np.zeros((0, CLASSES), np.float32)
    return np.concatenate([none, *(f.probabilities for f in found)])


class Digits:
    """64 features, a 4x4 map of 7 channels and 10 classes of a digit."""

    name = "digits"
    sizes = (64, 4 * 4 * SPATIAL_CHANNELS)

    def describe(self) -> dict[str, Any]:
        """What a report says of it."""
        sha256 = checksum(WEIGHTS)
        return {"kind": "classifier of digits in pdm_tf", "sha256": sha256}

    def __call__(self, pictures: np.ndarray) -> Features:
        """uint8 [N, 32, 32, 1] -> features; 28x28 digits are padded to 32x32.

        Raises:
          InputError: pictures of another shape.
        """
        if pictures.shape[1:] == (28, 28, 1):
            pictures = np.pad(pictures, ((0, 0), (2, 2), (2, 2), (0, 0)))
        if pictures.shape[1:] != (SIDE, SIDE, 1):
            shape = "x".join(map(str, pictures.shape[1:]))
            raise SettingError(
                "features",
                "digits",
                f"reads digits of 32x32x1 (or 28x28x1), these pictures are {shape}; "
                "use `features=inception` or `features=random`",
            )
        return Features(*(value.numpy() for value in _run(pictures)))
