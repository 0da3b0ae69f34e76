"""Group normalisation equals Keras' own, value and gradient."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf

from pdm_tf.networks.layers import GroupNorm, conv, dense, group_count

SHAPES = [(2, 4, 4, 64), (1, 8, 6, 32), (3, 5, 7, 48), (2, 3, 3, 12), (4, 16, 16, 96)]
STATISTICS = [(0.0, 1.0), (3.0, 1.0), (30.0, 1.0), (-3.0, 0.1), (0.0, 1e-3)]


def pictures(shape, mean, deviation):
    """Channels whose means differ, around the given one."""
    rng = np.random.default_rng(0)
    means = mean * rng.uniform(0.5, 1.0, shape[-1])
    return np.float32(means + deviation * rng.normal(size=shape))


def pair_of_layers(channels):
    """Ours and Keras' with equal random weights."""
    theirs = keras.layers.GroupNormalization(group_count(channels), epsilon=1e-3)
    ours = GroupNorm()
    rng = np.random.default_rng(1)
    weights = [1 + 0.3 * rng.normal(size=channels), 0.3 * rng.normal(size=channels)]
    for layer in (ours, theirs):
        layer.build((None, None, None, channels))
        layer.set_weights(weights)
    return ours, theirs


def value_and_gradients(layer, x):
    x, up = tf.constant(x), np.random.default_rng(2).normal(size=x.shape)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_mean(y * tf.constant(up, tf.float32))
    weights = [v.value for v in layer.trainable_variables]
    return y, tape.gradient(loss, [x, *weights])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("mean", "deviation"), STATISTICS)
def test_equals_keras_forward_and_backward(shape, mean, deviation):
    ours, theirs = pair_of_layers(shape[-1])
    x = pictures(shape, mean, deviation)
    y, gradients = value_and_gradients(ours, x)
    their_y, their_gradients = value_and_gradients(theirs, x)
    np.testing.assert_allclose(y, their_y, atol=1e-5, rtol=1e-5)
    for gradient, wanted in zip(gradients, their_gradients, strict=True):
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(gradient / scale, wanted / scale, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_loops(shape):
    ours, _ = pair_of_layers(shape[-1])
    x = pictures(shape, 1.0, 1.0)
    gamma, beta = (np.float64(v.numpy()) for v in ours.variables)
    wanted = reference.normalise(np.float64(x)) * gamma + beta
    np.testing.assert_allclose(ours(x), wanted, atol=1e-5)


def test_adaptive_form_scales_by_one_more_and_shifts():
    rng, layer = np.random.default_rng(3), GroupNorm(affine=False)
    x = pictures((2, 4, 4, 24), 1.0, 2.0)
    scale, shift = (np.float32(rng.normal(size=(2, 24))) for _ in range(2))
    wanted = reference.normalise(np.float64(x))
    np.testing.assert_allclose(layer(x), wanted, atol=1e-5)
    wanted = wanted * (1 + scale[:, None, None]) + shift[:, None, None]
    np.testing.assert_allclose(layer(x, scale, shift), wanted, atol=1e-5)
    assert not layer.variables
    one = layer(x, scale[:1], shift[:1])  # shared by the batch
    each = layer(x, scale[[0, 0]], shift[[0, 0]])
    np.testing.assert_allclose(one, each, atol=1e-6)


def test_half_precision_loses_only_its_own_rounding():
    channels = 64
    x = pictures((2, 8, 8, channels), 3.0, 1.0)
    ours, _ = pair_of_layers(channels)
    half = GroupNorm(dtype="mixed_bfloat16")
    half.build((None, None, None, channels))
    half.set_weights(ours.get_weights())
    rounded = tf.cast(x, tf.bfloat16)
    wanted = ours(tf.cast(rounded, tf.float32))
    got = half(rounded)
    assert got.dtype == tf.bfloat16
    assert {v.dtype for v in half.variables} == {"float32"}
    error = tf.norm(tf.cast(got, tf.float32) - wanted) / tf.norm(wanted)
    assert error < 0.01


@pytest.mark.parametrize("channels", range(1, 200))
def test_groups_divide_the_channels_and_are_as_many_as_can_be(channels):
    groups = group_count(channels)
    assert channels % groups == 0 and groups <= 32
    assert not any(channels % more == 0 for more in range(groups + 1, 33))


def test_zero_layers_start_as_the_zero_map_and_others_do_not():
    x = tf.ones([1, 4, 4, 8])
    for make in (lambda **how: conv(8, 3, **how), lambda **how: dense(8, **how)):
        assert not make(zero=True)(x).numpy().any()
        assert make()(x).numpy().any()
