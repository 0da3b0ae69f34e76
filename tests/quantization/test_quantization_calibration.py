"""Calibration: rows of trajectories, and what layers read on them."""

import numpy as np
import pytest
from tiny_models import small_denoiser

from pdm_tf.config import InputError, SamplingConfig
from pdm_tf.denoisers import split
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.quantization.calibration import LAST_SEED, calibration_rows
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.observing import InputStatistics, by_step, observe
from pdm_tf.quantization.ranges import fit_ranges
from pdm_tf.quantization.spec import LayerSpec, NumberFormat
from pdm_tf.quantization.uniform import find_grid, range_of
from pdm_tf.samplers import DDIM
from pdm_tf.samplers.trajectories import record

SAMPLING = SamplingConfig(sample_guidance=2.0)
PATHS = ["down_0_0/conv_in", "middle_attention/qkv", "middle_attention/softmax"]


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


@pytest.fixture(scope="module")
def rows(base):
    (found,) = calibration_rows(base, SAMPLING, images=3, steps=4)
    return found


def test_rows_are_of_all_steps_with_and_without_a_class(base, rows):
    assert len(rows.t) == 3 * 4 * 2
    assert sorted(set(rows.t)) == sorted(np.asarray(base.schedule.grid(4).t))
    assert sorted(rows.labels) == sorted([0, 1, 2] * 4 + [3] * 12)


def test_rows_are_the_trajectorys_own_bit_for_bit(base, rows):
    """Each z with its own t, not with that of the step before."""
    seeds = LAST_SEED - np.arange(3)
    guided = for_sampling(base, np.arange(3), 2.0, SAMPLING)
    whole = record(guided, DDIM(), base.schedule.grid(4), seeds.astype(np.int32))
    for t in set(rows.t):
        np.testing.assert_array_equal(rows.z[rows.t == t], whole.z[whole.t == t])


def test_a_choice_keeps_what_it_names(base, rows):
    def choose(visited):
        kept = np.zeros((3, len(visited)), bool)
        kept[0, 0] = kept[2, 3] = True
        return kept

    (found,) = calibration_rows(base, SAMPLING, 3, 4, choose)
    visited = np.asarray(base.schedule.grid(4).t)
    assert found.t.tolist() == [visited[0]] * 2 + [visited[3]] * 2
    assert found.labels.tolist() == [0, 3, 2, 3]
    np.testing.assert_array_equal(found.z[0], rows.z[0])


def test_each_network_of_a_split_sees_its_own_levels(base):
    both = split(base, small_denoiser(1), snr=1.0)
    low, high = calibration_rows(both, SAMPLING, images=2, steps=6)
    assert len(low.t) and len(high.t)
    assert len(set(low.t)) + len(set(high.t)) == 6
    assert min(max(low.t), max(high.t)) < max(min(low.t), min(high.t))


def test_statistics_are_those_of_what_layers_read(base, rows):
    seen = observe(base, rows, PATHS, positions=4)
    tapped = record(
        for_sampling(base, np.arange(3), 2.0, SAMPLING),
        DDIM(),
        base.schedule.grid(4),
        (LAST_SEED - np.arange(3)).astype(np.int32),
        taps=PATHS[:2],
    )
    x = tapped.features["down_0_0/conv_in"]
    found = seen["down_0_0/conv_in"]
    np.testing.assert_allclose(found.low, x.min(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(found.high, x.max(axis=(1, 2)), atol=1e-5)
    assert found.values.shape == (24, 4, x.shape[-1])
    tokens = seen["middle_attention/qkv"]  # rows of pictures, not of tokens
    assert tokens.low.shape[0] == 24
    assert seen["middle_attention/softmax"].low.min() >= 0


def test_rows_are_grouped_by_timestep(rows):
    step_of = np.zeros(1000, np.int32)
    step_of[500:] = 1
    early, late = by_step(rows, step_of)
    assert len(early) + len(late) == len(rows.t)
    assert max(rows.t[early]) < 500 <= min(rows.t[late])


@pytest.mark.parametrize("images, steps", [(0, 4), (2, 0), (2, 1001)])
def test_calibration_that_cannot_be_is_refused(base, images, steps):
    with pytest.raises(InputError, match="calibration_"):
        calibration_rows(base, SAMPLING, images, steps)


def test_a_searched_range_keeps_outliers_that_a_sample_misses():
    """One value in 4,000 is 40 times as large: to clip it costs more than steps do."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 1024, 4)).astype(np.float32)
    x[np.arange(8), rng.integers(1000, size=8), 1] = 40.0
    seen = InputStatistics(
        x.min(axis=1), x.max(axis=1), x[:, 1000:1016], np.full(8, 1024)
    )
    layer = QuantizedLayer((4, 2), LayerSpec(None, NumberFormat(8)))
    fit_ranges(layer, seen, [np.arange(8)], "mse")
    low, high = layer.low.numpy()[0, 0], layer.high.numpy()[0, 0]
    exact = find_grid(x.reshape(-1, 1), NumberFormat(8), "mse")
    wanted = range_of(exact[0], exact[1], 8)
    np.testing.assert_allclose([low, high], np.ravel(wanted), atol=1.5)
    assert high > 30
