"""The denoiser that asks a network: what it says, and what it makes of the answer."""

import numpy as np
import pytest
import reference
import tensorflow as tf
from fakes import SHAPE, CountingNetwork

from pdm_tf.config import InputError, UNetConfig
from pdm_tf.denoisers import NetworkDenoiser, Prediction
from pdm_tf.diffusion import NoiseSchedule, gaussian
from pdm_tf.networks import PatchedUNet

SCHEDULE = NoiseSchedule.linear()
TIMESTEPS = [0, 10, 396, 999]
LABELS = tf.constant([0, 1, 2, 3])


def noisy(count=4, seed=0):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.normal(size=(count, *SHAPE)), tf.float32)


def same(got, wanted):
    """Bit for bit."""
    assert isinstance(got, Prediction)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def close(got, wanted):
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("prediction", ["x", "eps", "v"])
def test_estimate_is_what_the_output_stands_for(prediction):
    network = CountingNetwork()
    denoise = NetworkDenoiser(network, SCHEDULE, prediction).conditioned(LABELS)
    z, level = noisy(), SCHEDULE.level(TIMESTEPS)
    output, variance = network(z, level.t, LABELS)
    denoised = gaussian.x_from_output(prediction, z, output, level.per_pixel())
    close(denoise(z, level), (denoised, variance))


def test_prediction_x_is_the_default_and_the_output_itself():
    network, z = CountingNetwork(), noisy()
    level = SCHEDULE.level(TIMESTEPS)
    denoise = NetworkDenoiser(network, SCHEDULE).conditioned(LABELS)
    close(denoise(z, level), network(z, level.t, LABELS))


@pytest.mark.parametrize("t", TIMESTEPS)
def test_one_level_for_all_is_the_same_level_for_each(t):
    denoise = NetworkDenoiser(CountingNetwork(), SCHEDULE, "v").conditioned(LABELS)
    same(
        denoise(noisy(), SCHEDULE.level(t)),
        denoise(noisy(), SCHEDULE.level([t] * 4)),
    )


def test_each_picture_has_its_own_level():
    denoise = NetworkDenoiser(CountingNetwork(num_classes=0), SCHEDULE, "v")
    z = noisy()
    together = denoise(z, SCHEDULE.level(TIMESTEPS))
    for n, t in enumerate(TIMESTEPS):
        alone = denoise(z[n : n + 1], SCHEDULE.level(t))
        close(alone, [part[n : n + 1] for part in together])


def test_without_labels_it_speaks_for_the_null_label():
    network, level = CountingNetwork(num_classes=3), SCHEDULE.level(500)
    denoise = NetworkDenoiser(network, SCHEDULE)
    same(denoise(noisy(), level), denoise.conditioned([3] * 4)(noisy(), level))


def test_labels_belong_to_the_copy_and_not_to_the_original():
    network, level = CountingNetwork(), SCHEDULE.level(500)
    denoise = NetworkDenoiser(network, SCHEDULE, "eps")
    before = denoise(noisy(), level)
    conditioned = denoise.conditioned(LABELS)
    assert conditioned is not denoise and conditioned.prediction == "eps"
    assert tf.reduce_max(tf.abs(conditioned(noisy(), level).x - before.x)) > 0.1
    same(denoise(noisy(), level), before)
    same(conditioned.conditioned([3] * 4)(noisy(), level), before)


def test_labels_are_refused_by_a_model_without_classes():
    denoise = NetworkDenoiser(CountingNetwork(num_classes=0), SCHEDULE)
    with pytest.raises(InputError, match="no classes"):
        denoise.conditioned(LABELS)


def test_it_knows_its_pictures_its_classes_and_its_network():
    network = CountingNetwork(num_classes=5)
    denoise = NetworkDenoiser(network, SCHEDULE)
    assert denoise.image_shape == SHAPE and denoise.num_classes == 5
    assert denoise.schedule is SCHEDULE and denoise.network is network


@pytest.mark.parametrize("prediction", ["x", "eps", "v"])
@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_what_leaves_it_is_float32(prediction, dtype):
    network = CountingNetwork(dtype=dtype)
    denoise = NetworkDenoiser(network, SCHEDULE, prediction)
    z, level = noisy(), SCHEDULE.level(396)
    x, variance = denoise(z, level)
    assert x.dtype == variance.dtype == tf.float32
    # The conversion to x happens beyond the border: it adds no rounding.
    output, _ = network(z, tf.constant([396]), tf.fill([4], 3))
    output = tf.cast(output, tf.float32)
    wanted = gaussian.x_from_output(prediction, z, output, level.per_pixel())
    np.testing.assert_array_equal(x, wanted)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_real_network_behind_the_border(precision):
    config = UNetConfig((4, 4, 1), 1, 8, (1.0,), precision=precision)
    network = reference.randomise(PatchedUNet(config))
    z = tf.random.stateless_normal([2, 4, 4, 1], [1, 2])
    denoise = NetworkDenoiser(network, SCHEDULE, "v")
    for level in (SCHEDULE.level(0), SCHEDULE.level([0, 999])):
        x, variance = denoise(z, level)
        assert x.dtype == variance.dtype == tf.float32
        assert x.shape == variance.shape == z.shape
        graph = tf.function(lambda z, level: denoise(z, level))
        for a, b in zip(graph(z, level), (x, variance), strict=True):
            tolerance = 1e-5 if precision == "float32" else 0.05
            np.testing.assert_allclose(a, b, atol=tolerance)


def test_a_walk_needs_no_carry():
    denoise, level = NetworkDenoiser(CountingNetwork(), SCHEDULE), SCHEDULE.level(5)
    assert denoise.init_carry(noisy()) == ()
    said, carry = denoise.predict(noisy(), level, ())
    assert carry == ()
    same(said, denoise(noisy(), level))
