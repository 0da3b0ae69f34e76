"""Blocks: what they start as, and how they change shapes."""

import numpy as np
import pytest
import reference
import tensorflow as tf

from pdm_tf.networks.blocks import AttentionBlock, Downsample, ResidualBlock, Upsample


def noise(*shape, seed=0):
    return np.float32(np.random.default_rng(seed).normal(size=shape))


def built(block, channels):
    block.build((None, None, None, channels))
    return block


@pytest.mark.parametrize("gate", [0, 6])
def test_a_fresh_residual_block_is_the_identity(gate):
    block = built(ResidualBlock(8, 5, gate), 8)
    x = noise(2, 4, 4, 8)
    classes = noise(2, 6) if gate else None
    np.testing.assert_array_equal(block(x, noise(2, 5), classes), x)


def test_a_fresh_attention_block_is_the_identity():
    x = noise(2, 4, 6, 8)
    np.testing.assert_array_equal(built(AttentionBlock(8), 8)(x), x)


def test_time_acts_only_through_what_it_is_told_and_each_picture_has_its_own():
    block = reference.randomise(built(ResidualBlock(8, 5), 8))
    x, time = noise(2, 4, 4, 8), noise(2, 5)
    both = block(x, time).numpy()
    swapped = block(x, time[::-1]).numpy()
    assert np.abs(both - swapped).max() > 0.01
    np.testing.assert_allclose(block(x[:1], time[:1])[0], both[0], atol=1e-6)


def test_the_gate_multiplies_the_residual_branch_and_starts_nearly_open():
    block = reference.randomise(built(ResidualBlock(8, 5, 6), 8))
    x, time = noise(2, 4, 4, 8), noise(2, 5)
    block.gate.kernel.assign(tf.zeros([6, 8]))
    opened = []
    for bias in (-50.0, 0.0, 50.0):
        block.gate.bias.assign(tf.fill([8], bias))
        opened.append(block(x, time, noise(2, 6)).numpy() - x)
    np.testing.assert_allclose(opened[0], 0.0, atol=1e-6)
    np.testing.assert_allclose(opened[1], opened[2] * reference.sigmoid(2.0), atol=1e-5)


def test_attention_does_not_care_for_the_order_of_patches():
    block = reference.randomise(built(AttentionBlock(128), 128))  # two heads
    x = noise(1, 4, 4, 128)
    order = np.random.default_rng(1).permutation(16)

    def shuffled(x):
        return np.reshape(x, [1, 16, 128])[:, order].reshape(1, 4, 4, 128)

    np.testing.assert_allclose(block(shuffled(x)), shuffled(block(x)), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (2, 6), (8, 2)])
def test_sampling_halves_and_doubles(height, width):
    x = noise(2, height, width, 4)
    down = reference.randomise(built(Downsample(6), 4))
    assert down(x).shape == (2, height // 2, width // 2, 6)
    up = built(Upsample(4), 4)
    assert up(x).shape == (2, 2 * height, 2 * width, 4)
    # With the identity as its convolution, each value stands four times.
    identity = np.zeros([3, 3, 4, 4], np.float32)
    identity[1, 1] = np.eye(4)
    up.conv.set_weights([identity, np.zeros(4)])
    np.testing.assert_array_equal(up(x), x.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 4), (2, 6)])
def test_doubling_is_nearest_neighbours_and_a_convolution(height, width):
    up, x = reference.randomise(built(Upsample(5), 4)), noise(2, height, width, 4)
    out = noise(2, 2 * height, 2 * width, 5)

    def plain(x):
        x = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
        y = tf.nn.conv2d(x, up.conv.kernel.value, 1, "SAME")
        return tf.nn.bias_add(y, up.conv.bias.value)

    def with_gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        sources = [x, *(v.value for v in up.trainable_variables)]
        return [y, *tape.gradient(y, sources, output_gradients=out)]

    x, out = tf.constant(x), tf.constant(out)
    for made, wanted in zip(with_gradients(up), with_gradients(plain), strict=True):
        np.testing.assert_allclose(made, wanted, atol=1e-5)


def test_downsampling_pads_at_the_end():
    down = reference.randomise(built(Downsample(6), 4))
    x = noise(1, 4, 6, 4)
    weights = [np.float64(v.numpy()) for v in down.variables]
    wanted = reference.convolve(np.float64(x), *weights, stride=2)
    np.testing.assert_allclose(down(x), wanted, atol=1e-5)
    # The first output sees pixels 0, 1, 2: nothing is padded before them.
    kernel, bias = weights
    corner = np.einsum("abc,abcd->d", np.float64(x[0, :3, :3]), kernel) + bias
    np.testing.assert_allclose(down(x)[0, 0, 0], corner, atol=1e-5)
