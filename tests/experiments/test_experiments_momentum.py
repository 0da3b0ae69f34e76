"""Momentum: what an outlier is, and when the bar holds."""

import numpy as np
import pytest

from experiments import momentum


def test_outliers_are_patches_with_a_value_beyond_the_range():
    x = np.zeros((2, 8, 8, 1))
    assert momentum.outliers(x, 4) == 0
    x[0, 0, 0] = 1.3
    x[0, 3, 3] = -1.5  # the same patch
    x[1, 4, 0] = -1.21
    x[1, 7, 7] = 1.19
    assert momentum.outliers(x, 4) == 2 / 8
    assert momentum.outliers(x, 8) == 1


@pytest.mark.parametrize(
    "calm, error, holds",
    [(0.04, 0.14, True), (0.06, 0.14, False), (0.04, 0.16, False)],
)
def test_momentum_holds_its_bar_by_both_its_halves(calm, error, holds):
    shares = dict.fromkeys([f"outliers_{n}" for n in momentum.FEW], 0.1)
    rows = [
        {"sampler": momentum.PLAIN, "error": 0.2, **shares},
        {"sampler": momentum.EXACT, "error": 0.1, **shares},
        {"sampler": momentum.CALM, "error": error, **dict.fromkeys(shares, calm)},
    ]
    figure, found = momentum.verdict(rows)
    assert found is holds
    assert f"{calm / 0.1:.2f}" in figure and f"{error / 0.1:.2f}" in figure
