"""Anomaly maps: nothing where a picture comes back, and what does not."""

import numpy as np
import pytest
import tensorflow as tf
from toys import GaussianToy

from pdm_tf.diffusion import Grid
from pdm_tf.editing.anomaly import anomaly_map
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.errors import InputError
from pdm_tf.samplers import DDIM, DDPM, start

TOY = GaussianToy()
GRID = TOY.schedule.grid(8)
PICTURES = tf.random.stateless_uniform([3, *TOY.image_shape], (0, 0), -1.0)


def found(strength=0.5, draws=2, sampler=None, seeds=(0, 10, 20)):
    given = TOY, sampler or DDPM(), GRID, list(seeds), PICTURES
    return anomaly_map(*given, strength=strength, draws=draws).numpy()


def test_a_map_is_of_the_mean_of_its_draws():
    made = [
        sdedit(TOY, DDPM(), GRID, [k, k + 10, k + 20], PICTURES, 0.5) for k in (0, 1)
    ]
    wanted = np.abs(np.mean(made, axis=0) - PICTURES)
    np.testing.assert_allclose(found(), wanted, atol=1e-6)


def test_without_noise_nothing_differs():
    assert not found(strength=0.0).any()


def test_by_the_flow_of_normal_pictures_the_error_is_known():
    """(I - K)(x - m) - s K n with K = C^(1/2) (C + s²)^(-1/2), in small steps."""
    grid = TOY.schedule.grid(1000)
    last = Grid(*(levels[500:] for levels in grid))
    level = last.level(0)
    s2 = float(1.0 / level.snr)
    k = TOY.std / np.sqrt(TOY.std**2 + s2)
    n = start([0, 10, 20], TOY.image_shape)
    made = anomaly_map(TOY, DDIM(), grid, [0, 10, 20], PICTURES, 0.5, 1)
    wanted = np.abs((1 - k) * PICTURES - np.sqrt(s2) * k * n)
    np.testing.assert_allclose(made, wanted, atol=0.01)


def test_a_strength_that_is_none_is_refused():
    with pytest.raises(InputError, match="strength"):
        found(strength=2.0)
