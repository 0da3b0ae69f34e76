"""Noise: a function of its own seed alone, the same wherever it is drawn."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pdm_tf import seeds

SHAPE = (8, 8, 3)
SEEDS = tf.constant([0, 1, 2, 17, -5, 2**31 - 1])


def ways(function):
    """The same function run eagerly, in a graph, and compiled by XLA."""
    return function, tf.function(function), tf.function(function, jit_compile=True)


def drawn(seed_list, stream=0, shape=SHAPE):
    return seeds.normal(seeds.keys(tf.constant(seed_list), stream), shape).numpy()


# --- the same everywhere --------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8, 3), (3, 3, 1), (1,), (5, 1)])
def test_normal_noise_is_equal_in_graphs_and_almost_so_in_xla(shape):
    eager, graph, xla = ways(lambda s: seeds.normal(seeds.keys(s, 3), shape))
    noise = eager(SEEDS)
    assert noise.shape == (len(SEEDS), *shape) and noise.dtype == tf.float32
    np.testing.assert_array_equal(graph(SEEDS), noise)
    np.testing.assert_allclose(xla(SEEDS), noise, rtol=1e-6, atol=1e-6)


def test_uniform_numbers_and_keys_are_equal_everywhere_bit_for_bit():
    for function in (
        lambda s: seeds.uniform(seeds.keys(s, 3)),
        lambda s: seeds.keys(s, 3),
        lambda s: seeds.step_keys(7, s[3], 2, 16),
    ):
        eager, graph, xla = ways(function)
        wanted = eager(SEEDS)
        np.testing.assert_array_equal(graph(SEEDS), wanted)
        np.testing.assert_array_equal(xla(SEEDS), wanted)


def test_noise_is_the_same_from_one_day_to_the_next():
    """These bits are in checkpoints and papers: they may not change."""
    noise = drawn([0, 1], 0, (2, 2, 1)).ravel()
    first = [-1.500805, -1.564999, -0.403675, -0.750141]
    second = [-1.778451, -1.234976, 2.876747, -1.565334]
    np.testing.assert_allclose(noise, first + second, rtol=1e-5)


# --- a function of the seed alone -----------------------------------------------------


@pytest.mark.parametrize("batch", [[17], [17, 3], [5, 6, 17, 9], list(range(20))])
def test_a_pictures_noise_does_not_know_the_batch(batch):
    alone = drawn([17], 4)[0]
    np.testing.assert_array_equal(drawn(batch, 4)[batch.index(17)], alone)


def test_a_training_examples_key_does_not_know_the_batch_size():
    whole = seeds.step_keys(3, tf.constant(10), 0, 64).numpy()
    np.testing.assert_array_equal(seeds.step_keys(3, tf.constant(10), 0, 5), whole[:5])


def test_the_stream_may_be_a_tensor_and_the_seeds_of_any_integer_type():
    wanted = seeds.keys(tf.constant([4, 5]), 2)
    got = seeds.keys(tf.constant([4, 5], tf.int64), tf.constant(2))
    np.testing.assert_array_equal(got, wanted)
    assert got.dtype == tf.int32 and got.shape == (2, 2)


def test_no_two_keys_of_a_training_are_equal():
    """Over seeds, steps, streams and examples."""
    found = [
        seeds.step_keys(seed, tf.constant(step), stream, 32).numpy()
        for seed in (0, 1, 2)
        for step in (0, 1, 2, 1000)
        for stream in (0, 1, 2)
    ]
    every = np.concatenate(found)
    assert len(np.unique(every, axis=0)) == len(every) == 3 * 4 * 3 * 32


# --- as random as it should be --------------------------------------------------------


def many(streams=1):
    """A million numbers, from many seeds."""
    return drawn(list(range(100)), streams, (100, 100, 1)).ravel()


def test_moments_are_those_of_the_normal_distribution():
    noise = np.float64(many())
    root = np.sqrt(len(noise))
    # Five standard errors of each.
    assert abs(noise.mean()) < 5 / root
    assert abs(noise.var() - 1) < 5 * np.sqrt(2) / root
    assert abs(stats.skew(noise)) < 5 * np.sqrt(6) / root
    assert abs(stats.kurtosis(noise)) < 5 * np.sqrt(24) / root
    assert np.isfinite(noise).all() and 4 < np.abs(noise).max() < 6.5


def test_the_distribution_is_normal_and_uniform():
    assert stats.kstest(many(), "norm").pvalue > 1e-3
    draw = tf.function(lambda s: seeds.uniform(seeds.keys(s, 1)))
    u = draw(tf.range(5000)).numpy()
    assert u.min() >= 0 and u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3


def test_no_number_can_be_infinite():
    """The radius is the logarithm of 1 - u, and u is below 1."""
    extreme = tf.constant([0, 2**32 - 1], tf.uint32)
    u = seeds._uniform(extreme).numpy()
    assert u[0] == 0 and u[1] < 1
    assert np.isfinite(np.log(1 - u)).all()


def test_seeds_streams_and_pixels_are_independent():
    noise = np.stack([drawn(list(range(40)), s, (50, 50, 1)) for s in range(1, 5)])
    rows = noise.reshape(4 * 40, -1)
    correlation = np.corrcoef(rows)[~np.eye(len(rows), dtype=bool)]
    assert np.abs(correlation).max() < 6 / np.sqrt(rows.shape[1])
    pixels = rows.ravel()
    for lag in (1, 2, 3, 50):  # the two of a pair, and neighbours beyond
        assert abs(np.mean(pixels[lag:] * pixels[:-lag])) < 5 / np.sqrt(len(pixels))
        squares = pixels**2 - 1
        lagged = np.mean(squares[lag:] * squares[:-lag]) / 2
        assert abs(lagged) < 5 / np.sqrt(len(pixels))


def test_training_keys_give_independent_noise():
    keys = seeds.step_keys(0, tf.constant(5), 0, 64)
    rows = seeds.normal(keys, (50, 50, 1)).numpy().reshape(64, -1)
    correlation = np.corrcoef(rows)[~np.eye(64, dtype=bool)]
    assert np.abs(correlation).max() < 6 / np.sqrt(rows.shape[1])
