"""Precision and recall against naive loops, exactly."""

import numpy as np
import pytest

from pdm_tf.evaluation.metrics import manifold
from pdm_tf.evaluation.metrics.manifold import manifold_radii, members


def naive(samples: np.ndarray, reference: np.ndarray) -> list[list[bool]]:
    """The definition, one pair at a time."""

    def distance(a, b):
        return float(np.sum((a.astype(np.float64) - b.astype(np.float64)) ** 2))

    def inside(points, centres):
        radii = [sorted(distance(c, other) for other in centres)[3] for c in centres]
        return [
            any(distance(p, c) <= r for c, r in zip(centres, radii, strict=True))
            for p in points
        ]

    return [inside(samples, reference), inside(reference, samples)]


def cloud(count: int, size: int = 6, seed: int = 0, shift: float = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(count, size)) + shift).astype(np.float32)


def assert_naive(samples: np.ndarray, reference: np.ndarray) -> None:
    for found, expected in zip(
        members(samples, reference), naive(samples, reference), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shift", [0, 1, 5])
def test_equals_naive(shift):
    assert_naive(cloud(60), cloud(45, seed=1, shift=shift))


@pytest.mark.parametrize("rows, columns", [(7, 5), (1, 64), (64, 3)])
def test_blocks_do_not_matter(rows, columns, monkeypatch):
    monkeypatch.setattr(manifold, "ROWS", rows)
    monkeypatch.setattr(manifold, "COLUMNS", columns)
    assert_naive(cloud(60), cloud(45, seed=1, shift=1))


def test_copies_count_as_neighbours():
    """Sets with copies, of each other too: the ties that rounding would decide."""
    reference = cloud(40, size=300, shift=1000)
    reference[10:20] = reference[0]
    near = cloud(30, size=300, seed=1, shift=1000)
    samples = np.concatenate([reference[5:15], near])
    assert_naive(samples, reference)
    assert (manifold_radii(reference)[10:20] == 0).all()


def test_golden_case():
    """On a line: radii of 0, 1, 2, 3 are 9, 4, 4, 9; 6 lies on the edge, 7 outside."""
    reference = np.array([[0.0], [1], [2], [3]], np.float32)
    np.testing.assert_allclose(manifold_radii(reference), [9, 4, 4, 9])
    samples = np.array([[6.0], [7], [1.5], [-3]], np.float32)
    found, _ = members(samples, reference)
    np.testing.assert_array_equal(found, [True, False, True, True])


def test_same_set_is_all_inside():
    for found in members(cloud(50), cloud(50)):
        assert found.all()


def test_swapping_sides_swaps_figures():
    x, y = cloud(40), cloud(50, seed=1, shift=1)
    there, back = members(x, y), members(y, x)
    np.testing.assert_array_equal(there[0], back[1])
    np.testing.assert_array_equal(there[1], back[0])


def test_invariant_to_scale_shift_and_order():
    x, y = cloud(40), cloud(50, seed=1, shift=1)
    order = np.random.default_rng(2).permutation(40)
    expected = members(x, y)
    found = members(4 * x[order] + 8, 4 * y + 8)
    np.testing.assert_array_equal(found[0], expected[0][order])
    np.testing.assert_array_equal(found[1], expected[1])


def test_half_precision_rounds_as_defined():
    x, y = cloud(30), cloud(40, seed=1)
    a, b = x.astype(np.float16), y.astype(np.float16)
    expected = np.empty((30, 40), np.float32)
    for i, u in enumerate(a.astype(np.float32)):
        for j, v in enumerate(b.astype(np.float32)):
            norm_u, norm_v = np.float16(u @ u), np.float16(v @ v)
            product = np.float16(u @ v)
            expected[i, j] = (norm_u - np.float16(2) * product) + norm_v
    ((_, _, found),) = manifold._distances(x, y, half=True)
    # Sums of products may be rounded at another place: one step of half precision.
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=0.032)
    assert (found == expected).mean() > 0.9


def test_half_precision_falls_back_on_overflow():
    x, y = 200 * cloud(30), 200 * cloud(40, seed=1)
    ((_, _, found),) = manifold._distances(x, y, half=True)
    ((_, _, exact),) = manifold._distances(x, y, half=False)
    np.testing.assert_allclose(found, exact, rtol=1e-4)
