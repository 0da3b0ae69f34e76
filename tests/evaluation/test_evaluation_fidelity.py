"""Faithfulness: distances of both from one reference."""

import numpy as np
import pytest

from pdm_tf.evaluation.features.random_convolutions import RandomConvolutions
from pdm_tf.evaluation.fidelity import Fidelity, compare
from pdm_tf.evaluation.metrics import gaussian_of


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(20, 230, (40, 16, 16, 1), np.uint8)


def test_equal_pictures_are_perfect(pictures):
    extractor = RandomConvolutions()
    reference = gaussian_of(iter([pictures[:20], pictures[20:]]), extractor)
    found = compare(pictures[:30], pictures[:30], reference, extractor)
    assert found.sqnr == np.inf
    assert found.original == found.cheaper > 0
    assert found.change == 0 and found.between == pytest.approx(0, abs=1e-6)


def test_worse_pictures_are_farther(pictures):
    extractor = RandomConvolutions()
    reference = gaussian_of(pictures, extractor)
    blurred = np.repeat(pictures[:, ::2], 2, axis=1)
    found = compare(pictures[:30], blurred[:30], reference, extractor)
    assert found.cheaper > found.original and found.change > 0
    assert found.between > 0 and found.sqnr < 10


def test_change_is_a_percentage():
    assert Fidelity(30.0, 4.0, 5.0, 0.1).change == pytest.approx(25.0)


def test_what_falls_short_is_said():
    found = Fidelity(30.0, 4.0, 5.0, 0.1)
    assert found.shortfalls(30.0, 25.0) == []
    assert len(found.shortfalls(30.1, 24.9)) == 2
    nothing = Fidelity(float("nan"), 1.0, float("nan"), 0.0)
    assert len(nothing.shortfalls(0.0, 100.0)) == 2


def test_json_knows_no_infinity():
    said = Fidelity(float("inf"), 4.0, 5.0, 0.1).to_json()
    assert said["sqnr"] is None and said["change"] == pytest.approx(25.0)
