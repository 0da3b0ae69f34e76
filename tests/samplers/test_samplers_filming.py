"""A film has the states of the trajectory, and changes none of them."""

import numpy as np
import pytest
from toys import GaussianToy

from pdm_tf.samplers import DDPM, SAMPLERS, integrate, sample
from pdm_tf.samplers.filming import film
from pdm_tf.samplers.sampler import start

SEEDS = [3, 1, 4]


@pytest.mark.parametrize("name", ["ddpm", "heun", "dpm_solver"])
def test_frames_are_the_states_at_each_level_and_the_picture(name):
    toy, sampler = GaussianToy(), SAMPLERS[name]()
    grid = toy.schedule.grid(5)
    frames = film(toy, sampler, grid, SEEDS, toy.image_shape)
    assert frames.shape == (6, 3, *toy.image_shape)
    z = start(SEEDS, toy.image_shape)
    np.testing.assert_array_equal(frames[0], z)
    for i in range(1, 5):
        so_far = type(grid)(*(part[: i + 1] for part in grid))
        state = integrate(toy, sampler, so_far, SEEDS, z)
        np.testing.assert_allclose(frames[i], state, atol=1e-6)
    np.testing.assert_array_equal(
        frames[-1], sample(toy, sampler, grid, SEEDS, toy.image_shape)
    )


def test_two_films_keep_their_own_states():
    toy = GaussianToy()
    first, second = (
        film(toy, DDPM(), toy.schedule.grid(n), SEEDS, toy.image_shape) for n in (3, 4)
    )
    assert len(first) == 4 and len(second) == 5
