"""Intervals tell the spread that fresh draws would have."""

import numpy as np
import pytest

from pdm_tf.evaluation.bootstrap import (
    BootstrapGroups,
    Metric,
    count_groups,
    draw_weights,
    frechet_with_interval,
    interval,
)
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics import frechet, frechet_distance, gaussian_of
from pdm_tf.evaluation.metrics.moments import FeatureGaussian, FeatureMoments, merged

TRUTH = FeatureGaussian(np.zeros(4), np.eye(4))
GROUPS = 64


def distance_and_interval(seed: int) -> Metric:
    """Distance of 500 normal draws, shifted a little, from the truth."""
    rows = np.random.default_rng(seed).normal(size=(500, 4)) + 0.3
    group = BootstrapGroups(GROUPS, seed).draw(len(rows))
    parts = [FeatureMoments.of(rows[group == g]) for g in range(GROUPS)]

    def distance(weights=None):
        return frechet_distance(merged(parts, weights).gaussian(), TRUTH)

    replicates = [distance(w) for w in draw_weights(GROUPS, 100, seed)]
    return interval(distance(), replicates, GROUPS)


@pytest.fixture(scope="module")
def metrics() -> list[Metric]:
    return [distance_and_interval(seed) for seed in range(100)]


def test_width_is_the_spread_of_fresh_draws(metrics):
    spread = np.std([metric.value for metric in metrics])
    half_width = np.mean([(f.high - f.low) / 2 for f in metrics]) / 1.96
    assert 0.8 < half_width / spread < 1.25


def test_most_intervals_hold_the_mean_of_fresh_draws(metrics):
    """The mean distance at this N, not at infinite N: bias is not in the interval."""
    mean = np.mean([metric.value for metric in metrics])
    assert np.mean([f.low <= mean <= f.high for f in metrics]) > 0.85


def test_interval_holds_its_metric(metrics):
    assert all(0 <= f.low <= f.value <= f.high for f in metrics)


def test_groups_are_the_same_in_any_batches():
    whole = BootstrapGroups(GROUPS, 3).draw(1000)
    groups = BootstrapGroups(GROUPS, 3)
    parts = np.concatenate([groups.draw(n) for n in (1, 499, 0, 37, 463)])
    np.testing.assert_array_equal(whole, parts)
    assert set(whole) == set(range(GROUPS))


def test_bounds_hold_and_too_little_gives_no_interval():
    metric = interval(0.99, [0.9, 0.95, 1.0, 1.05], 10, (0, 1))
    assert metric.high == 1
    assert interval(0.5, [0.5], 10) == Metric(0.5)
    assert interval(0.5, [0.4, 0.6], 1) == Metric(0.5)
    assert interval(0.5, [float("nan")] * 9, 10) == Metric(0.5)


def test_memory_bounds_the_groups():
    assert count_groups(0, (64, 112)) == 1
    assert count_groups(100, (64, 112)) == 64
    assert count_groups(100, (2048, 2023)) == 8


def test_a_distance_with_interval_is_the_distance_of_its_pictures():
    random, extract = np.random.default_rng(0), open_features("random")
    x, y = (random.integers(0, 256, (60, 16, 16, 1), np.uint8) for _ in range(2))
    reference = gaussian_of(y, extract)
    found = frechet_with_interval(x, reference, extract, replicates=50)
    assert found.value == pytest.approx(frechet(x, reference, extract), rel=1e-6)
    assert found.low < found.value < found.high
    assert frechet_with_interval(x, reference, extract, replicates=0).low is None
