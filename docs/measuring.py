"""What the tables in this folder are measured with: drawing, and four figures."""

import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

import pdm_tf as pdm
from pdm_tf.config import Thresholding
from pdm_tf.data.images import to_uint8
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.evaluation.features.digits import Digits
from pdm_tf.evaluation.features.extractor import Features
from pdm_tf.evaluation.metrics.frechet import frechet_distance
from pdm_tf.evaluation.metrics.manifold import members
from pdm_tf.evaluation.metrics.moments import FeatureMoments
from pdm_tf.samplers import Sampler

SHAPE = (32, 32, 1)
BATCH = 100


class Figures(NamedTuple):
    """Figures of a set of digits."""

    recognised: float  # share read as the class asked
    distance: float  # FD (digits) against the training digits
    read_settings: float  # share of training digits among the samples
    spread: float  # variance within classes, 1 for the training digits


def features_of(pictures: np.ndarray) -> Features:
    """Features of digits uint8 [N, 32, 32, 1], batch by batch."""
    extract = Digits()
    each = [extract(pictures[i : i + 500]) for i in range(0, len(pictures), 500)]
    pooled, spatial, shares = zip(*each, strict=True)
    return Features(*map(np.concatenate, (pooled, spatial, shares)))


def _spread(pooled: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean([pooled[labels == k].var(axis=0).sum() for k in range(10)]))


class Judge:
    """Compares digits with the 4,000 that the models are trained on."""

    def __init__(self) -> None:
        source = open_source("mnist", SHAPE, 10)
        pictures, self._labels = source.read(np.arange(len(source)))
        self._real = features_of(pictures).pooled

    def __call__(self, pictures: np.ndarray, labels: np.ndarray) -> Figures:
        """Figures of digits uint8 [N, 32, 32, 1] drawn for labels [N]."""
        pooled, _, shares = features_of(pictures)
        distance = frechet_distance(
            FeatureMoments.of(pooled).gaussian(),
            FeatureMoments.of(self._real).gaussian(),
        )
        _, recalled = members(pooled, self._real)
        spread = _spread(pooled, labels) / _spread(self._real, self._labels)
        recognised = float(np.mean(shares.argmax(axis=1) == labels))
        return Figures(recognised, distance, float(recalled.mean()), spread)


def draw(
    denoise: Denoiser,
    count: int,
    steps: int,
    weight: float = 1.5,
    thresholding: Thresholding = "static",
    sampler: Sampler | None = None,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Digits of all classes in turn.

    Returns:
      Pictures uint8 [count, 32, 32, 1], their labels, and images per second without
      the time of the first batch, in which the graph is traced.
    """
    labels = np.arange(count) % 10
    sampling = pdm.SamplingConfig(thresholding=thresholding)
    told = for_sampling(denoise, labels[:BATCH], weight, sampling)
    grid, pictures, seconds = denoise.schedule.grid(steps), [], []
    for first in range(0, count, BATCH):
        begun = time.perf_counter()
        seeds = tf.range(first, first + BATCH)
        x = pdm.sample(told, sampler or pdm.DDPM(), grid, seeds, SHAPE)
        pictures.append(to_uint8(x).numpy())
        seconds.append(time.perf_counter() - begun)
    return np.concatenate(pictures), labels, BATCH / float(np.median(seconds[1:]))
