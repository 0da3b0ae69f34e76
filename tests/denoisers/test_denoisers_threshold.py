"""Thresholds: each picture clipped at its own percentile, as NumPy finds it."""

import numpy as np
import pytest
import tensorflow as tf
from fakes import SHAPE, CountingNetwork

from pdm_tf.config import InputError
from pdm_tf.denoisers import NetworkDenoiser, thresholded
from pdm_tf.denoisers.threshold import clip_dynamically, clip_statically
from pdm_tf.diffusion import NoiseSchedule

SCHEDULE = NoiseSchedule.linear()
PERCENTILES = [0.1, 10.0, 50.0, 90.0, 99.0, 99.5, 100.0]
SHAPES = [(3, 4, 6, 2), (2, 8, 8, 3), (1, 1, 1, 1), (2, 5, 7, 1)]


def pictures(shape, scale):
    rng = np.random.default_rng(0)
    spread = np.linspace(0.3, 1.0, shape[0]).reshape(-1, 1, 1, 1)
    return np.float32(scale * spread * rng.normal(size=shape))


def expected(x, percentile):
    """The same with NumPy, picture by picture."""
    made = []
    for picture in x:
        s = np.percentile(np.abs(picture), percentile, method="nearest")
        s = max(s, 1.0)
        made.append(np.clip(picture, -s, s) / s)
    return np.array(made)


@pytest.mark.parametrize("percentile", PERCENTILES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_equals_numpys_nearest_percentile_of_each_picture(percentile, shape, scale):
    x = pictures(shape, scale)
    got = clip_dynamically(tf.constant(x), percentile)
    np.testing.assert_allclose(got, expected(x, percentile), rtol=1e-6)
    assert np.abs(got).max() <= 1.0


def test_pictures_within_range_are_left_alone():
    x = np.clip(pictures((3, 4, 4, 1), 1.0), -1, 1)
    np.testing.assert_array_equal(clip_dynamically(tf.constant(x), 50.0), x)
    np.testing.assert_array_equal(clip_statically(tf.constant(x)), x)


def test_a_picture_does_not_know_the_others():
    x = pictures((3, 4, 4, 1), 3.0)
    together = clip_dynamically(tf.constant(x), 90.0)
    for n in range(3):
        alone = clip_dynamically(tf.constant(x[n : n + 1]), 90.0)
        np.testing.assert_array_equal(alone[0], together[n])


def test_the_hundredth_percentile_only_rescales():
    x = pictures((2, 4, 4, 1), 5.0)
    got = clip_dynamically(tf.constant(x), 100.0).numpy()
    largest = np.abs(x).max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(got * largest, x, rtol=1e-6)


@pytest.mark.parametrize("percentile", [None, *PERCENTILES])
def test_a_thresholded_estimate_is_clipped_and_its_variance_left_alone(percentile):
    denoise = NetworkDenoiser(CountingNetwork(3.0), SCHEDULE)
    z = tf.constant(pictures((3, *SHAPE), 2.0))
    plain = denoise(z, SCHEDULE.level(10))
    clipped = thresholded(denoise, percentile)(z, SCHEDULE.level(10))
    wanted = (
        clip_statically(plain.x)
        if percentile is None
        else clip_dynamically(plain.x, percentile)
    )
    np.testing.assert_array_equal(clipped.x, wanted)
    np.testing.assert_array_equal(clipped.variance, plain.variance)
    assert np.abs(plain.x).max() > 1


def test_a_thresholded_denoiser_is_still_one_that_can_be_told_labels():
    network = CountingNetwork(3.0)
    denoise = thresholded(NetworkDenoiser(network, SCHEDULE))
    assert (denoise.image_shape, denoise.num_classes) == (SHAPE, 3)
    assert denoise.schedule == SCHEDULE and denoise.denoise.network is network
    z, level = tf.zeros([3, *SHAPE]), SCHEDULE.level(0)
    conditioned = denoise.conditioned([0, 1, 2])(z, level).x
    np.testing.assert_array_equal(conditioned[:, 0, 0, 0], [0.0, 1.0, 1.0])


@pytest.mark.parametrize("percentile", [0.0, -1.0, 100.1, float("nan")])
def test_a_percentile_outside_its_range_is_refused(percentile):
    denoise = NetworkDenoiser(CountingNetwork(), SCHEDULE)
    with pytest.raises(InputError, match=r"percentile=.*99\.5"):
        thresholded(denoise, percentile)


@pytest.mark.parametrize("percentile", [50.0, 99.5])
def test_eager_graph_and_xla_agree(percentile):
    x = tf.constant(pictures((3, 4, 6, 2), 3.0))
    wanted = clip_dynamically(x, percentile)
    for jit in (False, True):
        clip = tf.function(lambda x: clip_dynamically(x, percentile), jit_compile=jit)
        np.testing.assert_allclose(clip(x), wanted, rtol=1e-6)
