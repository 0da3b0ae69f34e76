"""The script behind docs/int8.md: what its numbers mean, and its tables."""

import numpy as np
import pytest

from experiments import int8, int8_race
from experiments.int8_pictures import ratio_with_interval, sqnr_of_each
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics import gaussian_of, sqnr


def pictures(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 16, 16, 3), np.uint8)


@pytest.mark.slow  # distances of many resampled sets
def test_equal_pictures_are_equally_far_for_certain_and_others_are_not():
    features = open_features("random")
    reference = gaussian_of(pictures(40, 1), features)
    same = ratio_with_interval(pictures(40, 0), pictures(40, 0), reference, features)
    np.testing.assert_allclose(same, 1.0)
    dark = pictures(40, 0) // 2
    value, low, high = ratio_with_interval(pictures(40, 0), dark, reference, features)
    assert 1 < low < value < high


def test_decibels_of_pictures_add_up_to_those_of_all():
    first, second = pictures(6, 0), pictures(6, 1)
    noise = np.mean(10 ** (-sqnr_of_each(first, second) / 10))
    np.testing.assert_allclose(
        -10 * np.log10(noise), sqnr(first, second, centred=True), rtol=1e-6
    )


def test_ratios_of_the_race_are_taken_turn_by_turn():
    seconds = {int8_race.PYTORCH: [4, 40, 4], int8_race.NNCF: [1, 10, 2], "it": [2] * 3}
    text = int8_race.text_of({"seconds": seconds, "sqnr": {"it": 30.04}})
    row = text.splitlines()[-1].split(" | ")
    assert row[1].startswith("2.00 (2.00 to 11.00)")
    assert row[2].startswith("1.00 (0.60 to 1.50)") and row[3] == "30.0 |"


def test_each_kind_of_row_has_its_table():
    row = {"model": "m", "export": "openvino int8", "sampler": "ddim", "steps": "9"}
    row |= {"pictures": 8, "bytes": 1e6, "sqnr_64": 1.0, "sqnr": 2.0, "median": 3.0}
    row |= {"ratio": [1.0, 0.9, 1.1], "method": ""}
    made = {**row, "method": "ptq4dm", "own": 30.0, "ahead": 2.5}
    plain, derived = int8.text_of([row, made]).split("\n\n")
    assert plain.count("\n") == derived.count("\n") == 2
    assert "1.000 (0.900 to 1.100)" in plain and "| ptq4dm | openvino int8" in derived
