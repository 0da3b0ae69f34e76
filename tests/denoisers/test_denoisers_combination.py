"""How guidance puts two estimates together: identities, bounds, closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers.combination import LINEAR, Combination

RNG = np.random.default_rng(0)
C, U = (tf.constant(RNG.normal(size=(3, 8, 8, 2)), tf.float32) for _ in "cu")
W = 4.0


def combined(*kept, **settings):
    return Combination(**settings)(C, U, W, kept)


def norms(x):
    return np.sqrt(np.sum(np.square(x), axis=(1, 2, 3)))


def test_settings_as_they_are_leave_guidance_as_it_was_bit_for_bit():
    assert Combination.of(SamplingConfig()) == LINEAR
    x, kept = LINEAR(C, U, W, LINEAR.init(C))
    np.testing.assert_array_equal(x, W * C - (W - 1.0) * U)
    assert kept == ()


def test_all_of_the_difference_within_its_bound_is_guidance():
    x, _ = combined(norm=1e6)
    np.testing.assert_allclose(x, W * C - (W - 1.0) * U, atol=1e-5)


def test_nothing_is_left_along_the_conditional_estimate():
    x, _ = combined(parallel=0.0)
    along = np.sum((x - C) * C, axis=(1, 2, 3)) / norms(C) ** 2
    np.testing.assert_allclose(along, 0, atol=1e-6)
    whole, half = combined(parallel=1.0, norm=1e6)[0], combined(parallel=0.5)[0]
    np.testing.assert_allclose(half, (x + whole) / 2, atol=1e-5)


def test_the_difference_is_bounded_and_a_smaller_one_stays():
    bound = float(np.median(norms(C - U)))
    x, _ = combined(norm=bound)
    wanted = (W - 1) * np.minimum(norms(C - U), bound)
    np.testing.assert_allclose(norms(x - C), wanted, rtol=1e-5)


def test_momentum_adds_a_share_of_what_was_before():
    rule = Combination(momentum=-0.5)
    kept = rule.init(C)
    np.testing.assert_array_equal(kept[0], tf.zeros_like(C))
    for step in range(1, 5):  # 1 - 1/2 + 1/4 …
        x, kept = rule(C, U, W, kept)
        share = (1 - (-0.5) ** step) / 1.5
        np.testing.assert_allclose(kept[0], share * (C - U), atol=1e-5)
        np.testing.assert_allclose(x, C + (W - 1) * share * (C - U), atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_the_deviation_goes_back_to_that_of_the_conditional_estimate(share):
    x, _ = combined(rescale=share)
    guided = (W * C - (W - 1) * U).numpy()
    wanted = share * C.numpy().std((1, 2, 3)) + (1 - share) * guided.std((1, 2, 3))
    np.testing.assert_allclose(x.numpy().std((1, 2, 3)), wanted, rtol=1e-5)
    ratio = x.numpy() / guided  # only its size changes
    np.testing.assert_allclose(ratio.std((1, 2, 3)), 0, atol=1e-4)


@pytest.mark.parametrize("settings", [{"rescale": 0.7}, {"parallel": 0.0, "norm": 2.0}])
def test_a_picture_does_not_depend_on_its_neighbours(settings):
    rule = Combination(**settings)
    alone, _ = rule(C[1:2], U[1:2], W, ())
    np.testing.assert_allclose(alone[0], rule(C, U, W, ())[0][1], atol=1e-5)
