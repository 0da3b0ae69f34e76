"""Averages whose length is a share of the training, and those that follow from them.

With EDM2's power function (arXiv 2312.02696, section 3) the weights after n updates
count n^(gamma + 1) - (n - 1)^(gamma + 1). From averages of two lengths, kept now and
then, one of any length follows as a sum: post-hoc EMA.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.training.ema import MovingAverage


def exponent_of(length: float) -> float:
    """gamma of a length sigma_rel (arXiv 2312.02696, algorithm 2).

    sigma_rel² = (gamma + 1) / ((gamma + 2)² (gamma + 3)); it is the standard deviation
    of the time that the average looks back on, as a share of the time trained.
    """
    inverse = length**-2
    roots = np.roots([1.0, 7.0, 16.0 - inverse, 12.0 - inverse])
    return float(roots.real.max())


def length_of(exponent: float) -> float:
    """sigma_rel of an exponent gamma; the inverse of `exponent_of`."""
    return math.sqrt((exponent + 1) / ((exponent + 2) ** 2 * (exponent + 3)))


class PowerAverage(MovingAverage):
    """An average over a fixed share of all that was trained so far.

    Args:
      variables: what is averaged, by name.
      length: sigma_rel.
      every: steps between two updates.
    """

    def __init__(
        self, variables: Mapping[str, tf.Variable], length: float, every: int
    ) -> None:
        super().__init__(variables, every=every)
        self.exponent = exponent_of(length)

    def taken(self, n: tf.Tensor) -> tf.Tensor:
        # 1 - (1 - 1/n)^(gamma + 1), all of it at the first update.
        return -tf.math.expm1((self.exponent + 1.0) * tf.math.log1p(-1.0 / n))


class Averaged(NamedTuple):
    """Which average of the weights a snapshot holds."""

    updates: int
    length: float


def profile(averaged: Averaged, updates: int) -> np.ndarray:
    """What the weights after each of some updates count in an average, float64."""
    n = np.arange(updates + 1, dtype=np.float64)
    risen = np.minimum(n / averaged.updates, 1.0) ** (exponent_of(averaged.length) + 1)
    return np.diff(risen)


def combine(kept: Sequence[Averaged], wanted: Averaged) -> np.ndarray:
    """Factors of kept averages whose sum is nearest to another average.

    Nearest is meant of the profiles, in the least squares (arXiv 2312.02696,
    algorithm 3), here of the very updates and not of their continuous limit.
    """
    last = max(wanted.updates, *(one.updates for one in kept))
    columns = np.stack([profile(one, last) for one in kept], axis=1)
    factors, *_ = np.linalg.lstsq(columns, profile(wanted, last), rcond=1e-12)
    return factors
