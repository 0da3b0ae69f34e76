"""Minority guidance: the gradient is one, and without strength nothing changes."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import SHAPE, small_denoiser

from pdm_tf.denoisers.classifier_guidance import (
    ClassDensity,
    classifier_guided,
    time_of,
)
from pdm_tf.networks.classifier import NoisyClassifier, patch_size_for
from pdm_tf.samplers import DDPM, sample

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def density():
    network = NoisyClassifier(SHAPE, 4, 8)
    for variable in network.variables:
        variable.assign(variable + 0.2 * RNG.normal(size=variable.shape))
    return ClassDensity(network, wanted=3)


def log_density(density, z, level):
    logits = density.network(z, time_of(level))
    return tf.nn.log_softmax(logits)[:, density.wanted].numpy()


def test_the_slope_is_that_of_finite_differences(density):
    z = tf.constant(RNG.normal(size=(2, *SHAPE)), tf.float32)
    level = small_denoiser().schedule.level(tf.constant([300, 700]))
    slope = density.slope(z, level).numpy()
    for _ in range(4):
        way = RNG.normal(size=z.shape).astype(np.float32)
        ends = [log_density(density, z + h * way, level) for h in (1e-2, -1e-2)]
        wanted = (ends[0] - ends[1]) / 2e-2
        found = (slope * way).sum((1, 2, 3))
        np.testing.assert_allclose(found, wanted, rtol=0.02, atol=2e-3)


def test_without_strength_it_is_the_denoiser_bit_for_bit(density):
    base = small_denoiser()
    grid = base.schedule.grid(4)
    wanted, found, other = (
        sample(denoise, DDPM(), grid, range(2), SHAPE).numpy()
        for denoise in (
            base,
            classifier_guided(base, density, 0.0),
            classifier_guided(base, density, 3.0),
        )
    )
    np.testing.assert_array_equal(found, wanted)
    assert np.abs(other - wanted).max() > 1e-3


def test_a_classifier_that_knows_nothing_changes_nothing():
    base = small_denoiser()
    even = ClassDensity(NoisyClassifier(SHAPE, 4, 8), wanted=3)  # its logits are 0
    z = tf.constant(RNG.normal(size=(2, *SHAPE)), tf.float32)
    level = base.schedule.level(500)
    found = classifier_guided(base, even, 5.0)(z, level).x
    np.testing.assert_array_equal(found, base(z, level).x)


@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 32, 1), (64, 48, 3), (30, 44, 3)])
def test_patches_divide_the_picture(shape):
    side = patch_size_for(shape)
    assert not shape[0] % side and not shape[1] % side
    assert min(shape[:2]) // side >= min(16, *shape[:2])
