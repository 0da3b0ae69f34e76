"""Streams of features have the moments of the features at once."""

import numpy as np
import pytest

from pdm_tf.evaluation.metrics.moments import FeatureMoments, merged


def features(count: int, size: int = 5, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=(count, size)) @ random.normal(size=(size, size)) + 3


def assert_equal(moments: FeatureMoments, rows: np.ndarray) -> None:
    mean, covariance = moments.gaussian()
    assert moments.count == len(rows)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        covariance, np.cov(rows, rowvar=False), rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("batch", [1, 7, 64, 500])
def test_stream_is_one_shot(batch):
    rows = features(500)
    total = FeatureMoments.empty(rows.shape[1])
    for start in range(0, len(rows), batch):
        total = merged([total, FeatureMoments.of(rows[start : start + batch])])
    assert_equal(total, rows)


def test_order_of_merging_does_not_matter():
    rows = features(90)
    a, b, c = (
        FeatureMoments.of(rows[part]) for part in np.split(np.arange(90), [10, 40])
    )
    assert_equal(merged([a, merged([b, c])]), rows)
    assert_equal(merged([merged([c, a]), b]), rows)


def test_far_from_zero_nothing_cancels():
    """Sums of squares would lose all digits here."""
    rows = features(400)
    shifted = merged(
        [FeatureMoments.of(part + 1e8) for part in np.array_split(rows, 9)]
    )
    expected = np.cov(rows, rowvar=False)
    np.testing.assert_allclose(shifted.gaussian().covariance, expected, rtol=1e-5)


def test_weights_repeat_parts():
    parts = np.array_split(features(60), 4)
    weights = [2, 0, 1, 3]
    repeated = np.concatenate(
        [part for part, w in zip(parts, weights, strict=True) for _ in range(w)]
    )
    assert_equal(merged([FeatureMoments.of(part) for part in parts], weights), repeated)


def test_parts_stay_as_they_are():
    parts = [FeatureMoments.of(part) for part in np.array_split(features(30), 3)]
    before = [(p.count, p.mean.copy(), p.scatter.copy()) for p in parts]
    merged(parts, [1, 2, 0])
    for part, (count, mean, scatter) in zip(parts, before, strict=True):
        assert part.count == count
        np.testing.assert_array_equal(part.mean, mean)
        np.testing.assert_array_equal(part.scatter, scatter)
