"""A guide stands in the place of the unconditional estimate, and nowhere else."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import SHAPE, small_denoiser
from toys import GaussianToy

from pdm_tf.config import InputError, SamplingConfig
from pdm_tf.denoisers import guided
from pdm_tf.denoisers.autoguidance import with_guide
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.samplers import DDIM, sample

LABELS = tf.constant([2, 0, 1])


@pytest.fixture(scope="module")
def both():
    return small_denoiser(0), small_denoiser(1)


def noisy():
    return tf.random.stateless_normal([3, *SHAPE], (1, 0))


@pytest.mark.parametrize("weight", [1.0, 2.5])
@pytest.mark.parametrize("open_weight", [False, True])
def test_the_estimate_is_led_away_from_that_of_the_guide(both, weight, open_weight):
    good, bad = both
    z, level = noisy(), good.schedule.level(500)
    given = tf.constant(weight) if open_weight else weight
    found = guided(with_guide(good, bad), LABELS, given, None)(z, level)
    own = good.conditioned(LABELS)(z, level)
    other = bad.conditioned(LABELS)(z, level)
    wanted = weight * own.x - (weight - 1) * other.x
    np.testing.assert_allclose(found.x, wanted, atol=1e-5)
    np.testing.assert_array_equal(found.variance, own.variance)


def test_it_guides_where_there_are_no_classes():
    good, bad = GaussianToy(), GaussianToy()
    good.num_classes = bad.num_classes = 0
    bad.std = 2 * good.std
    nobody, plain = tf.constant([], tf.int32), SamplingConfig(thresholding="none")
    denoise = for_sampling(with_guide(good, bad), nobody, 3.0, plain)
    z, level = tf.ones([2, *good.image_shape]), good.schedule.level(700)
    wanted = 3 * good(z, level).x - 2 * bad(z, level).x
    np.testing.assert_allclose(denoise(z, level).x, wanted, rtol=1e-5)
    drawn = sample(denoise, DDIM(), good.schedule.grid(5), [1, 2], good.image_shape)
    assert np.isfinite(drawn).all()


def test_all_that_an_export_must_hold_is_there(both):
    good, bad = both
    held = with_guide(good, bad).variables
    assert len(held) == len(good.variables) + len(bad.variables)
    assert {name for name in held if name.startswith("guide.")}


def test_a_guide_of_other_pictures_is_refused(both):
    with pytest.raises(InputError, match="guide is of another image_shape"):
        with_guide(both[0], GaussianToy())
