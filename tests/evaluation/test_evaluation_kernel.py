"""KID against its definition, pair by pair."""

import numpy as np
import pytest

from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics import kernel_distance, kid
from pdm_tf.evaluation.metrics.kernel import GroupedDiscrepancy, squared_discrepancy

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(30, 7)), 0.3 + 1.2 * RNG.normal(size=(25, 7))


def by_definition(x, y):
    """Equation 4 of arXiv 1801.01401, one pair after the other."""

    def kernel(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(points):
        pairs = [(a, b) for i, a in enumerate(points) for b in points[i + 1 :]]
        return sum(kernel(*pair) for pair in pairs) / len(pairs)

    between = sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    return within(x) + within(y) - 2 * between


def test_it_is_the_definition():
    assert squared_discrepancy(X, Y) == pytest.approx(by_definition(X, Y), abs=1e-6)
    single = squared_discrepancy(X.astype("f4"), Y.astype("f4"))
    assert single == pytest.approx(by_definition(X, Y), rel=1e-5)


def test_subsets_are_drawn_from_both_and_averaged():
    rng = np.random.default_rng(3)
    each = [
        by_definition(
            X[rng.choice(30, 10, replace=False)], Y[rng.choice(25, 10, replace=False)]
        )
        for _ in range(4)
    ]
    found = kid(X, Y, seed=3, subsets=4, size=10)
    assert found == pytest.approx(np.mean(each), abs=1e-6)
    assert kid(X[:25], Y) == pytest.approx(by_definition(X[:25], Y), abs=1e-6)


def test_groups_may_count_more_than_once_and_no_picture_is_its_own_pair():
    of_x, of_y = RNG.integers(0, 5, 30), RNG.integers(0, 5, 25)
    grouped = GroupedDiscrepancy(X, of_x, Y, of_y)
    assert grouped(None, None) == pytest.approx(by_definition(X, Y), abs=1e-6)
    some = np.array([1.0, 1, 0, 1, 0])
    kept = by_definition(X[some[of_x] > 0], Y[some[of_y] > 0])
    assert grouped(some, some) == pytest.approx(kept, abs=1e-6)
    assert grouped(3 * some, 2 * some) == pytest.approx(kept, abs=1e-6)


def test_it_has_no_bias_for_few_pictures():
    """Of two samples of one distribution the mean over many is 0."""
    draws = RNG.normal(size=(400, 2, 8, 4))
    found = [squared_discrepancy(*pair) for pair in draws]
    assert abs(np.mean(found)) < 4 * np.std(found) / len(found) ** 0.5
    assert min(found) < 0


def test_of_pictures_it_is_that_of_their_features():
    extract = open_features("random")
    pictures = RNG.integers(0, 256, (2, 12, 16, 16, 3)).astype(np.uint8)
    features = [extract(part).pooled for part in pictures]
    found = kernel_distance(*pictures, extract)
    assert found == pytest.approx(squared_discrepancy(*features), abs=1e-6)
