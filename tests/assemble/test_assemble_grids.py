"""Grids of samples during training: drawn as the settings say."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from toys import MixtureToy

from pdm_tf.assemble.settings import check_settings
from pdm_tf.assemble.training import grid_drawer
from pdm_tf.config import Config, SamplingConfig
from pdm_tf.data.images import to_uint8
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.errors import SettingError
from pdm_tf.samplers import SAMPLERS, sample

WEIGHTS = SimpleNamespace(applied=nullcontext)


@pytest.mark.parametrize("name", ["ddim", "heun"])
def test_the_sampler_of_the_settings_draws_the_grid(name):
    sampling = SamplingConfig(sample_sampler=name, sample_images=3, sample_steps=4)
    toy = MixtureToy()
    drawn = grid_drawer(Config(sampling=sampling), toy, WEIGHTS)()
    labels = tf.constant([0, 1, 0])
    denoise = for_sampling(toy, labels, sampling.sample_guidance, sampling)
    grid = toy.schedule.grid(4)
    x = sample(denoise, SAMPLERS[name](), grid, range(3), toy.image_shape)
    np.testing.assert_array_equal(drawn, to_uint8(x))
    other = SamplingConfig(sample_images=3, sample_steps=4)
    assert (grid_drawer(Config(sampling=other), toy, WEIGHTS)() != drawn).any()


def test_a_sampler_that_there_is_not_is_named():
    sampling = SamplingConfig(sample_sampler="best")
    with pytest.raises(SettingError, match=r"^sample_sampler=best: choose from ddpm"):
        check_settings(Config(sampling=sampling))
