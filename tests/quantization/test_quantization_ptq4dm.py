"""PTQ4DM: the law of its timesteps, and that each z has its own."""

import numpy as np
import pytest
from scipy.stats import chisquare, norm

from pdm_tf.config import InputError
from pdm_tf.config.quantization import PTQ4DMConfig
from pdm_tf.quantization import ptq4dm

T = 1000


def test_timesteps_follow_the_clipped_normal_law_with_both_its_atoms():
    drawn = ptq4dm.draw_timesteps(20_000, T, 0.4, 0.4, seed=3)
    edges = np.array([0, 1, 200, 400, 600, 800, T - 1, T])  # atoms apart
    found, _ = np.histogram(drawn, edges)
    below = norm.cdf((edges[1:-1] - 0.5) / T, 0.4, 0.4)
    shares = np.diff([0, *below, 1])
    assert shares[0] == pytest.approx(0.159, abs=0.001)
    assert shares[-1] == pytest.approx(0.067, abs=0.001)
    assert chisquare(found, shares * len(drawn)).pvalue > 0.01


def test_each_picture_gives_one_row_at_the_step_nearest_to_its_timestep():
    config = PTQ4DMConfig(calibration_images=50, seed=1)
    visited = np.linspace(T - 1, 0, 20).round().astype(int)
    kept = ptq4dm.choice_of(config, T)(visited)
    assert kept.shape == (50, 20) and (kept.sum(axis=1) == 1).all()
    drawn = ptq4dm.draw_timesteps(50, T, 0.4, 0.4, seed=1)
    gap = np.abs(visited[kept.argmax(axis=1)] - drawn)
    assert gap.max() <= 27  # half of a step


def test_without_deviation_all_calibration_is_at_one_timestep():
    config = PTQ4DMConfig(calibration_images=5, ndtc_mean=0, ndtc_deviation=0)
    kept = ptq4dm.choice_of(config, T)(np.array([999, 500, 0]))
    assert kept[:, 2].all() and not kept[:, :2].any()


def test_a_negative_deviation_is_refused():
    with pytest.raises(InputError, match="ndtc_deviation=-1"):
        ptq4dm.derive(None, PTQ4DMConfig(ndtc_deviation=-1.0), None)
