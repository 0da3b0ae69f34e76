"""Features of clean pictures by which sets of them are compared in training.

They come from networks that the training itself has: the base's own, and a classifier
of its pictures. None of them is an extractor that evaluation reports with.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.objectives.feature_distillation import features_of

Look = Callable[[tf.Tensor], Sequence[tf.Tensor]]  # pictures -> parts [B, k] of each
_TIME = 0.05  # of T: noise there would be slight, and none is added
_SIDE = 4  # cells, each way, that maps are averaged in
_BATCH = 50


@dataclass(frozen=True, eq=False)
class PrincipalFeatures:
    """What networks see of a picture, on the axes of most variance over the data.

    Before that each part of what they see has the same variance over the data; after
    it all axes are scaled together so that the mean of |x|² / d over the data is 1.

    Attributes:
      look: pictures float32 [B, H, W, C] in [-1, 1] -> parts [B, k] of each.
      mean: of the parts over the data, float32 [sum of k].
      axes: float32 [sum of k, d].
    """

    look: Look
    mean: np.ndarray
    axes: np.ndarray

    def __call__(self, pictures: tf.Tensor) -> tf.Tensor:
        """float32 [B, H, W, C] in [-1, 1] -> [B, d], differentiable."""
        return tf.matmul(tf.concat(self.look(pictures), 1) - self.mean, self.axes)


def fit_features(
    look: Look,
    pictures: np.ndarray,
    count: int,
    seen: Callable[[int], object] = lambda count: None,
) -> dict[str, np.ndarray]:
    """Mean and axes of `PrincipalFeatures` over some pictures, and theirs.

    Args:
      look: see `PrincipalFeatures`.
      pictures: float32 [N, H, W, C] in [-1, 1], N at least 2.
      count: d; at most N - 1 and as many as there are numbers in all parts.
      seen: takes how many pictures a batch had.

    Returns:
      mean, axes and features, float32 [N, d], by name.
    """
    graph = tf.function(lambda x: tuple(look(x)), reduce_retracing=True)
    found = []
    for first in range(0, len(pictures), _BATCH):
        batch = pictures[first : first + _BATCH]
        found.append([part.numpy() for part in graph(tf.constant(batch))])
        seen(len(batch))
    parts = [np.concatenate(part) for part in zip(*found, strict=True)]
    scale = np.concatenate([np.full(p.shape[1], 1 / _spread(p)) for p in parts])
    raw = np.concatenate(parts, 1)
    mean = raw.mean(0)
    # Axes from the products of pictures, which are fewer than numbers of each.
    centred = (raw - mean) * scale
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept = slice(-1, -1 - min(count, len(raw) - 1, raw.shape[1]), -1)
    roots = np.sqrt(np.maximum(values[kept], 1e-9 * values[-1]))
    axes = centred.T @ (vectors[:, kept] / roots)
    axes /= math.sqrt(np.mean((centred @ axes) ** 2))
    made = {"mean": mean, "axes": axes * scale[:, None], "features": centred @ axes}
    return {name: array.astype(np.float32) for name, array in made.items()}


def _spread(part: np.ndarray) -> float:
    """The root of a part's whole variance, 1 where there is none."""
    return math.sqrt(part.var(0, dtype=np.float64).sum()) or 1.0


def look_with(denoise: Denoiser) -> Look:
    """What a denoiser's network sees, from the picture to its coarsest grid.

    Args:
      denoise: not conditioned; its network is no function of its own.
    """

    def look(pictures: tf.Tensor) -> list[tf.Tensor]:
        batch = tf.shape(pictures)[0]
        time = int(_TIME * denoise.schedule.timesteps)
        level = denoise.schedule.level(tf.fill([batch], time))
        null = tf.fill([batch], denoise.num_classes)
        z = level.per_pixel().signal * pictures
        _, maps = features_of(denoise, z, level, null)
        areas = [math.prod(block.shape[1:-1]) for block in maps]
        deepest = max(i for i, area in enumerate(areas) if area == min(areas))
        return [part for block in maps[: deepest + 1] for part in cells_of(block)]

    return look


def look_through(weights: Mapping[str, np.ndarray]) -> Look:
    """What a classifier sees, see `classifier.train_classifier`.

    Args:
      weights: kernels and biases by layer.
    """

    def look(pictures: tf.Tensor) -> list[tf.Tensor]:
        x, parts = pictures, list[tf.Tensor]()
        for i in range(sum(name.startswith("conv") for name in weights) // 2):
            kernel, bias = weights[f"conv_{i}.kernel"], weights[f"conv_{i}.bias"]
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 2, "SAME") + bias)
            parts.append(cells_of(x)[0])
        x = tf.reshape(x, [-1, math.prod(x.shape[1:])])
        x = tf.nn.silu(tf.matmul(x, weights["dense.kernel"]) + weights["dense.bias"])
        return [*parts, x, x]  # twice: what tells classes apart counts most

    return look


def cells_of(block: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Means and root mean squares of a map in 4 × 4 cells, or of tokens, [B, k] each.

    Args:
      block: [B, h, w, c], or tokens [B, n, c].
    """
    block = tf.cast(block, tf.float32)
    if block.shape.rank == 4:
        _, height, width, channels = block.shape
        down, right = math.gcd(height, _SIDE), math.gcd(width, _SIDE)
        split = [-1, down, height // down, right, width // right, channels]
        block = tf.transpose(tf.reshape(block, split), [0, 2, 4, 1, 3, 5])
        inner = (height // down) * (width // right)
        block = tf.reshape(block, [-1, inner, down * right * channels])
    mean = tf.reduce_mean(block, 1)
    root = tf.sqrt(tf.reduce_mean(tf.square(block), 1) + 1e-6)
    return mean, root
