"""Mean and covariance of a stream of features, in float64."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class FeatureGaussian(NamedTuple):
    """What the Fréchet distance knows of a set of pictures."""

    mean: np.ndarray  # float64 [D]
    covariance: np.ndarray  # float64 [D, D], divided by N - 1


@dataclass(frozen=True)
class FeatureMoments:
    """Count, mean and scatter of rows; any two of them can be merged.

    The scatter is taken about the mean of its own rows, and merged by the formula of
    Chan, Golub and LeVeque (1983), so that no large numbers are subtracted.
    """

    count: int
    mean: np.ndarray  # float64 [D]
    scatter: np.ndarray  # float64 [D, D], sum of (row - mean)(row - mean)^T

    @classmethod
    def empty(cls, size: int) -> "FeatureMoments":
        """Of no rows of `size` numbers."""
        return cls(0, np.zeros(size), np.zeros((size, size)))

    @classmethod
    def of(cls, rows: np.ndarray) -> "FeatureMoments":
        """Of rows [N, D] at once."""
        if not len(rows):
            return cls.empty(rows.shape[1])
        rows = rows.astype(np.float64)
        mean = rows.mean(axis=0)
        rows -= mean
        return cls(len(rows), mean, rows.T @ rows)

    def gaussian(self) -> FeatureGaussian:
        """Mean and covariance; needs two rows."""
        return FeatureGaussian(self.mean, self.scatter / (self.count - 1))


def merged(
    parts: Sequence[FeatureMoments], weights: Sequence[int] | np.ndarray | None = None
) -> FeatureMoments:
    """Moments of all parts together, part i counted weights[i] times (once if None)."""
    weights = weights if weights is not None else [1] * len(parts)
    chosen = [(w, part) for w, part in zip(weights, parts, strict=True) if w]
    count = sum(int(w) * part.count for w, part in chosen)
    total = FeatureMoments.empty(len(parts[0].mean))
    if not count:
        return total
    mean, scatter = total.mean, total.scatter
    for weight, part in chosen:
        mean += (weight * part.count / count) * part.mean
    for weight, part in chosen:
        scatter += weight * part.scatter
    between = np.stack([part.mean - mean for _, part in chosen])
    counts = np.array([weight * part.count for weight, part in chosen], np.float64)
    scatter += (between.T * counts) @ between
    return FeatureMoments(count, mean, scatter)
