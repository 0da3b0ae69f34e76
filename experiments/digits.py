"""What tables of digits are measured with: sampling, and four metrics."""

import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

import pdm_tf as pdm
from pdm_tf.config import Thresholding
from pdm_tf.data.images import to_uint8
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.evaluation import metrics
from pdm_tf.evaluation.features import open_features, pooled_of
from pdm_tf.samplers import Sampler

SHAPE, CLASSES = (32, 32, 1), 10
BATCH = 100


class DigitMetrics(NamedTuple):
    """Metrics of a set of digits."""

    accuracy: float  # share read as the class asked for
    distance: float  # Fréchet distance to the training digits
    recall: float  # share of training digits in the samples' manifold
    spread: float  # variance within classes, 1 for the training digits


class TrainingDigits:
    """The digits that models are trained on, ready to be compared with.

    Args:
      count: how many of them; 0 for all 4,000.
    """

    def __init__(self, count: int = 0) -> None:
        source = open_source("mnist", SHAPE, CLASSES)
        self._pictures, labels = source.read(np.arange(count or len(source)))
        self._extract = open_features("digits")
        self._spread = _spread(pooled_of(self._pictures, self._extract), labels)

    def compare(self, pictures: np.ndarray, labels: np.ndarray) -> DigitMetrics:
        """Metrics of digits uint8 [N, 32, 32, 1] sampled for labels [N]."""
        real, extract = self._pictures, self._extract
        _, recall = metrics.precision_recall(pictures, real, extract)
        spread = _spread(pooled_of(pictures, extract), labels)
        return DigitMetrics(
            metrics.accuracy(pictures, labels),
            metrics.frechet(pictures, real, extract),
            recall,
            spread / self._spread,
        )


def _spread(pooled: np.ndarray, labels: np.ndarray) -> float:
    present = np.unique(labels)
    return float(np.mean([pooled[labels == k].var(axis=0).sum() for k in present]))


def sample_digits(
    denoise: Denoiser,
    count: int,
    steps: int,
    weight: float = 1.5,
    thresholding: Thresholding = "static",
    sampler: Sampler | None = None,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Samples digits of all classes in turn.

    Returns:
      Pictures uint8 [count, 32, 32, 1], their labels, and images per second, the
      median over batches without the first, in which the graph is traced.
    """
    size = min(BATCH, count)
    labels = np.arange(count) % CLASSES
    sampling = pdm.SamplingConfig(thresholding=thresholding)
    guided = for_sampling(denoise, labels[:size], weight, sampling)
    grid, pictures, seconds = denoise.schedule.grid(steps), [], []
    for first in range(0, count, size):
        begun = time.perf_counter()
        seeds = tf.range(first, first + size)
        x = pdm.sample(guided, sampler or pdm.DDPM(), grid, seeds, SHAPE)
        pictures.append(to_uint8(x).numpy())
        seconds.append(time.perf_counter() - begun)
    rate = size / float(np.median(seconds[1:] or seconds))
    return np.concatenate(pictures)[:count], labels, rate
