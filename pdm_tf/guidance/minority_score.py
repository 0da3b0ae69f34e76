"""How rare pictures are for a model: the minority score (arXiv 2301.12334, section 3).

A denoiser moves what it cannot see towards what is common. So a picture that is noised
and denoised comes back the worse the rarer it is: l(x) = E d(x, x^(z)), here with the
mean square over pixels for d.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.data.images import to_float
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.diffusion.gaussian import noised

BATCH = 64


def minority_scores(
    denoise: Denoiser,
    pictures: np.ndarray,
    timestep: int,
    draws: int = 5,
    seed: int = 0,
    labels: np.ndarray | None = None,
    clip: bool = True,
    advance: Callable[[int], object] = lambda count: None,
) -> np.ndarray:
    """Minority scores: the mean square error of estimates from noised pictures.

    All pictures get the same noises (common random numbers), so that scores differ by
    pictures and not by luck.

    Args:
      denoise: the model, not conditioned.
      pictures: uint8 [N, H, W, C], or float32 in [-1, 1].
      timestep: of the one level that they are noised to.
      draws: noises that the mean is of.
      seed: of the first of them.
      labels: classes int32 [N], within which rarity counts; None: within all.
      clip: whether estimates are clipped to [-1, 1].
      advance: takes the number of evaluations that have ended.

    Returns:
      float32 [N]; more is rarer.
    """
    score, scores = _compiled(denoise, timestep, draws, seed, clip), []
    for first in range(0, len(pictures), BATCH):
        x = pictures[first : first + BATCH]
        x = to_float(x) if x.dtype == np.uint8 else tf.constant(x, tf.float32)
        null = np.full(len(pictures), denoise.num_classes, np.int32)
        asked = null if labels is None else labels
        given = tf.constant(asked[first : first + BATCH], tf.int32)
        scores.append(score(x, given).numpy())
        advance(draws * len(scores[-1]))
    return np.concatenate([np.zeros(0, np.float32), *scores])


def _compiled(
    denoise: Denoiser, timestep: int, draws: int, seed: int, clip: bool
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    level, shape = denoise.schedule.level(timestep), denoise.image_shape
    noises = seeds.normal(seeds.keys(tf.range(seed, seed + draws), 0), shape)

    def score(x: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        asked = denoise.conditioned(labels) if denoise.num_classes else denoise

        def added(total: tf.Tensor, eps: tf.Tensor) -> tf.Tensor:
            found = asked(noised(x, eps, level), level).x
            found = tf.clip_by_value(found, -1.0, 1.0) if clip else found
            return total + tf.reduce_mean(tf.square(found - x), axis=[1, 2, 3])

        none = tf.zeros(tf.shape(x)[:1])
        return tf.foldl(added, noises, none) / float(draws)

    return tf.function(
        score,
        input_signature=[
            tf.TensorSpec([None, *shape], tf.float32),
            tf.TensorSpec([None], tf.int32),
        ],
        autograph=False,
    )


def quantile_edges(scores: np.ndarray, classes: int) -> np.ndarray:
    """The scores between classes of equal size, float32 [classes - 1], rising."""
    shares = np.arange(1, classes) / classes
    return np.quantile(scores, shares).astype(np.float32)


def classes_of(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The class of each score, int32: 0 the commonest, len(edges) the rarest."""
    return np.searchsorted(edges, scores, side="right").astype(np.int32)
