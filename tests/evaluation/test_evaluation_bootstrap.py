"""Intervals tell the spread that fresh draws would have."""

import numpy as np
import pytest

from pdm_tf.evaluation.bootstrap import (
    Dealer,
    Figure,
    count_groups,
    draw_weights,
    interval,
)
from pdm_tf.evaluation.metrics.frechet import frechet_distance
from pdm_tf.evaluation.metrics.moments import FeatureGaussian, FeatureMoments, merged

TRUTH = FeatureGaussian(np.zeros(4), np.eye(4))
GROUPS = 64


def distance_and_interval(seed: int) -> Figure:
    """Distance of 500 normal draws, shifted a little, from the truth."""
    rows = np.random.default_rng(seed).normal(size=(500, 4)) + 0.3
    group = Dealer(GROUPS, seed).deal(len(rows))
    parts = [FeatureMoments.of(rows[group == g]) for g in range(GROUPS)]

    def distance(weights=None):
        return frechet_distance(merged(parts, weights).gaussian(), TRUTH)

    replicates = [distance(w) for w in draw_weights(GROUPS, 100, seed)]
    return interval(distance(), replicates, GROUPS)


@pytest.fixture(scope="module")
def figures() -> list[Figure]:
    return [distance_and_interval(seed) for seed in range(100)]


def test_width_is_the_spread_of_fresh_draws(figures):
    spread = np.std([figure.value for figure in figures])
    half_width = np.mean([(f.high - f.low) / 2 for f in figures]) / 1.96
    assert 0.8 < half_width / spread < 1.25


def test_most_intervals_hold_the_mean_of_fresh_draws(figures):
    """The mean distance at this N, not at infinite N: bias is not in the interval."""
    mean = np.mean([figure.value for figure in figures])
    assert np.mean([f.low <= mean <= f.high for f in figures]) > 0.85


def test_interval_holds_its_figure(figures):
    assert all(0 <= f.low <= f.value <= f.high for f in figures)


def test_deal_is_the_same_in_any_batches():
    whole = Dealer(GROUPS, 3).deal(1000)
    dealer = Dealer(GROUPS, 3)
    parts = np.concatenate([dealer.deal(n) for n in (1, 499, 0, 37, 463)])
    np.testing.assert_array_equal(whole, parts)
    assert set(whole) == set(range(GROUPS))


def test_bounds_hold_and_too_little_gives_no_interval():
    figure = interval(0.99, [0.9, 0.95, 1.0, 1.05], 10, (0, 1))
    assert figure.high == 1
    assert interval(0.5, [0.5], 10) == Figure(0.5)
    assert interval(0.5, [0.4, 0.6], 1) == Figure(0.5)
    assert interval(0.5, [float("nan")] * 9, 10) == Figure(0.5)


def test_memory_bounds_the_groups():
    assert count_groups(0, (64, 112)) == 1
    assert count_groups(100, (64, 112)) == 64
    assert count_groups(100, (2048, 2023)) == 8
