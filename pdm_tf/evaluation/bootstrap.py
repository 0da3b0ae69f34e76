"""Intervals of figures by resampling groups of pictures.

Every picture falls into one of a few groups by chance, and every figure is a function
of sums over groups. So a resampling costs no pass over the pictures, and memory does
not grow with their number.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

GROUPS = 64  # at most
MEMORY = 2**29  # bytes of one side's covariances, all groups together


class Figure(NamedTuple):
    """A number and its 95 % interval, None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


def count_groups(replicates: int, sizes: Sequence[int]) -> int:
    """Groups that fit into memory for features of these sizes; 1 without bootstrap."""
    if not replicates:
        return 1
    return int(np.clip(MEMORY // (8 * sum(size**2 for size in sizes)), 8, GROUPS))


class Dealer:
    """Deals pictures to groups; the same for a picture in whatever batch it comes."""

    def __init__(self, groups: int, seed: int) -> None:
        self.groups, self._random = groups, np.random.default_rng(seed)

    def deal(self, count: int) -> np.ndarray:
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
) -> Figure:
    """The 95 % interval of a figure from its resampled values.

    The spread of the resampled values is laid about the figure itself, because they
    are biased: a resampling repeats pictures, which moves a Fréchet distance up. The
    interval tells the chance of the draw, not the bias of a distance for finite N.
    Pictures count as drawn independently: with all classes equally often the chance is
    less, and the interval wider than need be.

    Args:
      value: the figure.
      replicates: resampled values; those that are not finite are left out.
      groups: number of groups that were resampled.
      bounds: between which the figure must lie.
    """
    spread = np.asarray([r for r in replicates if np.isfinite(r)])
    if groups < 2 or len(spread) < 2 or not np.isfinite(value):
        return Figure(value)
    spread = (spread - spread.mean()) * np.sqrt(groups / (groups - 1))
    low, high = np.clip(value + np.quantile(spread, [0.025, 0.975]), *bounds)
    return Figure(value, float(min(low, value)), float(max(high, value)))


def resampled(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    weights: tuple[np.ndarray, np.ndarray],
) -> list[float]:
    """A statistic of both sides' weights, for each resampling."""
    return [statistic(*pair) for pair in zip(*weights, strict=True)]
