"""Intervals of metrics by resampling groups of pictures.

Every picture falls into one of a few groups by chance, and every metric is a function
of sums over groups. So a resampling costs no pass over the pictures, and memory does
not grow with their number.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pdm_tf.evaluation.features.extractor import Extractor, pooled_of
from pdm_tf.evaluation.metrics.frechet import frechet_distance
from pdm_tf.evaluation.metrics.moments import (
    FeatureGaussian,
    FeatureMoments,
    merged,
)

GROUPS = 64  # at most
MEMORY = 2**29  # bytes of one set's covariances, all groups together


class Metric(NamedTuple):
    """A number and its 95 % interval, None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


def count_groups(replicates: int, sizes: Sequence[int]) -> int:
    """Groups that fit into memory for features of these sizes; 1 without bootstrap."""
    if not replicates:
        return 1
    return int(np.clip(MEMORY // (8 * sum(size**2 for size in sizes)), 8, GROUPS))


class BootstrapGroups:
    """Puts pictures into groups by chance; batches do not matter."""

    def __init__(self, groups: int, seed: int) -> None:
        self.groups, self._random = groups, np.random.default_rng(seed)

    def draw(self, count: int) -> np.ndarray:
        """Groups of the next pictures: int64 [count]."""
        return (self._random.random(count) * self.groups).astype(np.int64)


def draw_weights(groups: int, replicates: int, seed: int) -> np.ndarray:
    """How often each group is drawn in each resampling: int [replicates, groups]."""
    chances = np.full(groups, 1 / groups)
    return np.random.default_rng(seed).multinomial(groups, chances, replicates)


def interval(
    value: float,
    replicates: Sequence[float],
    groups: int,
    bounds: tuple[float, float] = (0, np.inf),
) -> Metric:
    """The 95 % interval of a metric from its resampled values.

    The spread of the resampled values is laid about the metric itself, because they
    are biased: a resampling repeats pictures, which moves a Fréchet distance up. The
    interval is the chance of the draw, not the bias of a distance for finite N.
    Pictures count as drawn independently: with all classes equally often the chance is
    less, and the interval wider than need be.

    Args:
      value: the metric.
      replicates: resampled values; those that are not finite are left out.
      groups: number of groups that were resampled.
      bounds: between which the metric must lie.
    """
    spread = np.asarray([r for r in replicates if np.isfinite(r)])
    if groups < 2 or len(spread) < 2 or not np.isfinite(value):
        return Metric(value)
    spread = (spread - spread.mean()) * np.sqrt(groups / (groups - 1))
    low, high = np.clip(value + np.quantile(spread, [0.025, 0.975]), *bounds)
    return Metric(value, float(min(low, value)), float(max(high, value)))


def frechet_with_interval(
    samples: np.ndarray,
    reference: FeatureGaussian,
    extractor: Extractor,
    replicates: int = 100,
    seed: int = 0,
) -> Metric:
    """Fréchet distance of pictures from a reference, and its interval.

    Args:
      samples: uint8 [N, H, W, C].
      reference: what `metrics.gaussian_of` made of the pictures to compare with.
      extractor: gives the features.
      replicates: resamplings of the samples; 0 leaves the interval out.
      seed: of the groups and resamplings.
    """
    pooled = pooled_of(samples, extractor)
    most = count_groups(replicates, extractor.sizes[:1])
    groups = max(1, min(most, len(samples) // 2))
    group = BootstrapGroups(groups, seed).draw(len(pooled))
    parts = [FeatureMoments.of(pooled[group == g]) for g in range(groups)]

    def distance(weights: np.ndarray | None = None) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            gaussian = merged(parts, weights).gaussian()
        if not np.isfinite(gaussian.covariance).all():
            return float("nan")  # a resampling of less than two pictures
        return frechet_distance(gaussian, reference)

    weights = draw_weights(groups, replicates if groups > 1 else 0, seed)
    return interval(distance(), [distance(w) for w in weights], groups)
