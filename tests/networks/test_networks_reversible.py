"""Reversible couplings: undone exactly enough, with the gradients of plain ones."""

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.networks.reversible import (
    couple,
    couple_all,
    couple_reversibly,
    uncouple,
)
from pdm_tf.profiling.memory import peak_bytes

SHAPE = (2, 8, 8, 3)


def drawn(*seed, shape=SHAPE):
    return tf.random.stateless_normal(shape, [*seed, 0][:2])


@pytest.fixture(scope="module")
def weights():
    """Of two convolutions that all blocks share."""
    return [
        tf.Variable(0.2 * drawn(9, shape=(3, 3, 3, 16))),
        tf.Variable(0.2 * drawn(10, shape=(3, 3, 16, 3))),
    ]


def blocks_of(weights, count):
    """F(x), each of another time, with something given beside x."""

    def block(t, x, given):
        inner = tf.nn.silu(tf.nn.conv2d(x, weights[0], 1, "SAME") + t)
        return x + tf.tanh(tf.nn.conv2d(inner, weights[1], 1, "SAME")) * given

    return [lambda x, given, t=0.1 * i: block(t, x, given) for i in range(count)]


def gradients(run, weights, count):
    """Of a sum that treats every pixel of both ends differently, by all there is."""
    pair, given, shares = (drawn(0), drawn(1)), drawn(2), tf.linspace(0.5, 0.8, count)
    with tf.GradientTape() as tape:
        tape.watch([*pair, given, shares])
        ends = run(blocks_of(weights, count), shares, pair, given)
        total = tf.reduce_sum(ends[0] * drawn(3) + ends[1] * drawn(4))
    return total, tape.gradient(total, [*pair, given, shares, *weights])


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("count", [1, 8])
def test_gradients_are_those_of_plain_back_propagation(weights, count, in_graph):
    found = tf.function(gradients, autograph=False) if in_graph else gradients
    plain, wanted = found(couple_all, weights, count)
    reversible, made = found(couple_reversibly, weights, count)
    assert float(reversible) == pytest.approx(float(plain), rel=1e-6)
    for a, b in zip(made, wanted, strict=True):
        assert np.linalg.norm(b) > 0.1
        assert np.linalg.norm(a - b) <= 1e-3 * np.linalg.norm(b)


@pytest.mark.parametrize(("v", "count"), [(0.5, 6), (0.7, 12)])
def test_couplings_are_undone(weights, v, count):
    blocks, pair, given = blocks_of(weights, count), (drawn(0), drawn(1)), drawn(2)
    ends = pair
    for block in blocks:
        ends = couple(block, tf.constant(v), ends, given)
    assert np.abs(ends[0] - pair[0]).max() > 0.1
    for block in reversed(blocks):
        ends = uncouple(block, tf.constant(v), ends, given)
    for made, wanted in zip(ends, pair, strict=True):
        np.testing.assert_allclose(made, wanted, atol=1e-3)


def test_memory_does_not_grow_with_the_number_of_couplings(weights):
    def held(run, count):
        """Bytes of results at once, as the graph of gradients tells."""
        step = tf.function(lambda: gradients(run, weights, count)[1], autograph=False)
        return peak_bytes(step.get_concrete_function())

    assert held(couple_all, 16) > 1.8 * held(couple_all, 4)
    assert held(couple_reversibly, 16) < 1.1 * held(couple_reversibly, 4)
    assert held(couple_reversibly, 16) < 0.4 * held(couple_all, 16)


def test_no_couplings_are_the_pair_itself(weights):
    pair = drawn(0), drawn(1)
    assert couple_reversibly([], tf.zeros([0]), pair, drawn(2)) is pair
