"""The Fréchet distance against SciPy's matrix root, and its laws."""

import numpy as np
import pytest
import scipy.linalg

from pdm_tf.evaluation.metrics.frechet import frechet_distance
from pdm_tf.evaluation.metrics.moments import FeatureGaussian, FeatureMoments


def reference_distance(first: FeatureGaussian, second: FeatureGaussian) -> float:
    """As ADM's evaluator defines it."""
    root = scipy.linalg.sqrtm(first.covariance @ second.covariance)
    difference = first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return float(difference @ difference + traces - 2 * np.trace(root).real)


def gaussian(seed: int, size: int = 20, count: int = 200) -> FeatureGaussian:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, size)) @ random.normal(size=(size, size))
    return FeatureMoments.of(rows + random.normal(size=size)).gaussian()


@pytest.mark.parametrize("size", [2, 20, 112])
@pytest.mark.parametrize("quick", [False, True])
def test_equals_scipy(size, quick):
    first, second = gaussian(0, size), gaussian(1, size)
    expected = reference_distance(first, second)
    found = frechet_distance(first, second, quick)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("count", [5, 200])
def test_quick_way_agrees_where_a_covariance_is_singular(count):
    first, second = gaussian(0, 20, count), gaussian(1, 20, 5)
    expected = frechet_distance(first, second)
    found = frechet_distance(first, second, quick=True)
    assert found == pytest.approx(expected, rel=1e-6)


def test_golden_case():
    """Diagonal covariances: |mu|^2 + sum of (sqrt a - sqrt b)^2, by hand 25 + 1 + 4."""
    first = FeatureGaussian(np.array([0.0, 0.0]), np.diag([4.0, 9.0]))
    second = FeatureGaussian(np.array([3.0, 4.0]), np.diag([9.0, 25.0]))
    assert frechet_distance(first, second) == pytest.approx(30.0, rel=1e-12)


@pytest.mark.parametrize("count", [5, 200])
def test_zero_for_equals_even_where_singular(count):
    same = gaussian(0, 20, count)
    scale = np.trace(same.covariance)
    assert frechet_distance(same, same) == pytest.approx(0, abs=1e-10 * scale)


def test_symmetric():
    first, second = gaussian(0), gaussian(1)
    there, back = frechet_distance(first, second), frechet_distance(second, first)
    assert there == pytest.approx(back, rel=1e-10)


def test_invariant_to_rotation_and_shift():
    first, second = gaussian(0), gaussian(1)
    q, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(20, 20)))
    moved = [
        FeatureGaussian(q @ g.mean + 7, q @ g.covariance @ q.T) for g in (first, second)
    ]
    expected = frechet_distance(first, second)
    assert frechet_distance(*moved) == pytest.approx(expected, rel=1e-9)


def test_quadratic_in_scale():
    first, second = gaussian(0), gaussian(1)
    scaled = [FeatureGaussian(3 * g.mean, 9 * g.covariance) for g in (first, second)]
    expected = 9 * frechet_distance(first, second)
    assert frechet_distance(*scaled) == pytest.approx(expected, rel=1e-9)
