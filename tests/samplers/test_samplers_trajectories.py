"""A recording is what a network was given, and changes nothing."""

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import UNetConfig
from pdm_tf.denoisers import NetworkDenoiser, guided, split, thresholded
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import PatchedUNet
from pdm_tf.samplers import DDIM, DDPM, Heun, record, sample

SHAPE = (8, 8, 1)
SCHEDULE = NoiseSchedule.linear()
GRID = SCHEDULE.grid(5)
TAP = "down_0_0/conv_in"


@pytest.fixture(scope="module")
def denoise():
    network = PatchedUNet(
        UNetConfig(
            image_shape=SHAPE,
            width=8,
            channel_multipliers=(1.0,),
            blocks_per_level=1,
            attention_resolutions=(),
            num_classes=3,
        )
    )
    rng = np.random.default_rng(0)
    for variable in network.variables:
        variable.assign(variable + 0.1 * rng.standard_normal(variable.shape))
    return NetworkDenoiser(network, SCHEDULE)


@pytest.mark.parametrize("sampler", [DDIM(), DDPM(), Heun()], ids=repr)
def test_each_row_is_what_the_network_makes_of_it(denoise, sampler):
    conditioned = denoise.conditioned([2, 0])
    found = record(conditioned, sampler, GRID, [3, 4], taps=[TAP])
    calls = 5 if not isinstance(sampler, Heun) else 9
    assert found.evaluation.tolist() == np.repeat(range(calls), 2).tolist()
    assert found.labels.tolist() == [2, 0] * calls
    assert found.features[TAP].shape == (2 * calls, 4, 4, 8)
    for i in (0, 3, len(found.t) - 1):
        level = SCHEDULE.level([int(found.t[i])])
        alone = denoise.conditioned(found.labels[i : i + 1])
        x = alone(found.z[i : i + 1], level).x
        np.testing.assert_allclose(x, found.x[i : i + 1], atol=1e-5)
    # The last estimate is the picture; the network's loop is undisturbed.
    x = sample(conditioned, sampler, GRID, [3, 4], SHAPE)
    np.testing.assert_allclose(found.x[-2:], x, atol=1e-5)


def test_guidance_has_two_rows_a_picture(denoise):
    whole = thresholded(guided(denoise, [1, 2], weight=2.0, threshold=None))
    found = record(whole, DDIM(), GRID, [0, 1])
    assert found.labels.tolist() == [1, 2, 3, 3] * 5
    np.testing.assert_array_equal(found.z[:2], found.z[2:4])


def test_only_the_part_of_a_split_that_is_evaluated_is_recorded(denoise):
    whole = split(denoise, denoise, snr=1.0)
    found = record(whole, DDIM(), GRID, [7])
    assert found.t.tolist() == GRID.t.numpy().tolist()
    assert np.isfinite(found.x).all() and tf.rank(found.z) == 4
