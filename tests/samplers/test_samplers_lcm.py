"""Sampling of consistency models: estimate, noise anew, and the last estimate."""

import numpy as np
import pytest
import tensorflow as tf
from toys import SHAPE, GaussianToy

from pdm_tf.diffusion.gaussian import noised
from pdm_tf.samplers import LCM, SPACINGS, SeededNoise, sample

TOY, SEEDS = GaussianToy(), tf.constant([3, 9])


def test_every_step_takes_its_own_stream_of_noise():
    grid = TOY.schedule.grid(3, SPACINGS["lcm"])
    noise = SeededNoise(SEEDS, SHAPE)
    z = noise(0)
    for i in (1, 2):
        z = noised(TOY(z, grid.level(i - 1)).x, noise(i), grid.level(i))
    wanted = TOY(z, grid.level(2)).x
    np.testing.assert_allclose(
        sample(TOY, LCM(), grid, SEEDS, SHAPE), wanted, atol=1e-6
    )


def test_in_one_step_it_is_the_estimate_of_pure_noise():
    grid = TOY.schedule.grid(1, SPACINGS["lcm"])
    wanted = TOY(SeededNoise(SEEDS, SHAPE)(0), grid.level(0)).x
    found = sample(TOY, LCM(), grid, SEEDS, SHAPE)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("t", [[999], [999, 405], [999, 687, 405, 164]], ids=len)
def test_its_levels_are_denser_towards_the_picture_and_end_before_it(t):
    assert TOY.schedule.grid(len(t), SPACINGS["lcm"]).t.numpy().tolist() == t


def test_trailing_levels_are_equal_steps_that_end_at_the_picture():
    grid = TOY.schedule.grid(4, SPACINGS["ddim_trailing"])
    assert grid.t.numpy().tolist() == [999, 749, 499, 249]
