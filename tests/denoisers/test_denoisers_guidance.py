"""Guidance: linear in its weight, free where it does nothing, off where not wanted."""

import math

import numpy as np
import pytest
import reference
import tensorflow as tf
from fakes import SHAPE, CountingNetwork

from pdm_tf.config import InputError, UNetConfig
from pdm_tf.denoisers import NetworkDenoiser, guided
from pdm_tf.denoisers.threshold import clip_dynamically
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import PatchedUNet

SCHEDULE = NoiseSchedule.linear()
LABELS = tf.constant([0, 1, 2])
NULL = tf.constant([3, 3, 3])
LEVELS = {"one": SCHEDULE.level(396), "each": SCHEDULE.level([0, 396, 999])}
both_levels = pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)


def noisy(shape=(3, *SHAPE)):
    return tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)


def asked(network, denoise, z, level, graph=False):
    """The answer, and how many calls and pictures the network saw for it."""
    call = tf.function(lambda z: denoise(z, level)) if graph else None
    network.reset()
    answer = (call or (lambda z: denoise(z, level)))(z)
    return answer, int(network.calls), int(network.pictures)


@both_levels
@pytest.mark.parametrize("prediction", ["x", "eps", "v"])
@pytest.mark.parametrize("threshold", [None, 99.5])
@pytest.mark.parametrize("graph", [False, True])
def test_weight_one_is_the_conditional_denoiser_for_one_call(
    level, prediction, threshold, graph
):
    network = CountingNetwork(3.0)
    denoise = NetworkDenoiser(network, SCHEDULE, prediction)
    plain, *_ = asked(network, denoise.conditioned(LABELS), noisy(), level, graph)
    weights = [1.0, 1] if not graph else [1.0, tf.constant(1.0)]
    for weight in weights:
        for_sampling = guided(denoise, LABELS, weight, threshold)
        said, calls, pictures = asked(network, for_sampling, noisy(), level, graph)
        assert (calls, pictures) == (1, 3)
        for a, b in zip(said, plain, strict=True):
            np.testing.assert_array_equal(a, b)


@both_levels
@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.5, 1.5, 7.5])
@pytest.mark.parametrize("graph", [False, True])
def test_estimates_are_mixed_linearly_in_one_call(level, weight, graph):
    network = CountingNetwork()
    denoise = NetworkDenoiser(network, SCHEDULE, "v")
    conditioned, null = (denoise.conditioned(y)(noisy(), level) for y in (LABELS, NULL))
    for_sampling = guided(denoise, LABELS, weight, threshold=None)
    said, calls, pictures = asked(network, for_sampling, noisy(), level, graph)
    assert (calls, pictures) == (1, 6)  # both halves in one batch
    wanted = weight * conditioned.x - (weight - 1) * null.x
    np.testing.assert_allclose(said.x, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(said.variance, conditioned.variance, rtol=1e-6)


@pytest.mark.parametrize("weight", [0.5, 1.5, 4.0])
@pytest.mark.parametrize("threshold", [50.0, 99.5])
def test_the_threshold_clips_the_mixture(weight, threshold):
    denoise = NetworkDenoiser(CountingNetwork(3.0), SCHEDULE)
    level = LEVELS["one"]
    mixed = guided(denoise, LABELS, weight, None)(noisy(), level)
    clipped = guided(denoise, LABELS, weight, threshold)(noisy(), level)
    wanted = clip_dynamically(mixed.x, threshold)
    np.testing.assert_array_equal(clipped.x, wanted)
    assert tf.reduce_max(tf.abs(mixed.x)) > 1


def test_the_papers_weight_and_threshold_are_the_defaults():
    denoise = NetworkDenoiser(CountingNetwork(3.0), SCHEDULE)
    said = guided(denoise, LABELS)(noisy(), LEVELS["one"])
    wanted = guided(denoise, LABELS, 1.5, 99.5, None)(noisy(), LEVELS["one"])
    np.testing.assert_array_equal(said.x, wanted.x)


def test_an_open_weight_costs_one_trace():
    network, traces = CountingNetwork(), []
    denoise = NetworkDenoiser(network, SCHEDULE)

    @tf.function
    def run(z, weight):
        traces.append(weight)
        return guided(denoise, LABELS, weight, None)(z, LEVELS["one"]).x

    for weight in (1.0, 1.5, 3.0):
        network.reset()
        got = run(noisy(), tf.constant(weight))
        wanted = guided(denoise, LABELS, weight, None)(noisy(), LEVELS["one"]).x
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    assert len(traces) == 1


def snr_of(t):
    return math.exp(SCHEDULE.log_snr[t])


@pytest.mark.parametrize("graph", [False, True])
def test_guides_only_inside_its_interval(graph):
    network = CountingNetwork()
    denoise = NetworkDenoiser(network, SCHEDULE)
    low, high = snr_of(600) * 1.001, snr_of(300) * 1.001
    for_sampling = guided(denoise, LABELS, 2.0, None, interval=(low, high))
    everywhere = guided(denoise, LABELS, 2.0, None)
    plain = denoise.conditioned(LABELS)
    for t in (0, 299, 300, 301, 450, 599, 600, 999):
        level, inside = SCHEDULE.level(t), 300 <= t < 600
        said, calls, pictures = asked(network, for_sampling, noisy(), level, graph)
        assert (calls, pictures) == (1, 6 if inside else 3)
        wanted = (everywhere if inside else plain)(noisy(), level)
        np.testing.assert_allclose(said.x, wanted.x, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(said.variance, wanted.variance, rtol=1e-6)


def test_intervals_that_reach_an_end():
    network = CountingNetwork()
    denoise = NetworkDenoiser(network, SCHEDULE)
    for interval, inside in (
        ((0, snr_of(500)), [500, 999]),
        ((snr_of(500), math.inf), [0, 499]),
        ((0, math.inf), [0, 499, 500, 999]),
    ):
        for_sampling = guided(denoise, LABELS, 2.0, None, interval)
        for t in (0, 499, 500, 999):
            _, _, pictures = asked(network, for_sampling, noisy(), SCHEDULE.level(t))
            assert pictures == (6 if t in inside else 3), (interval, t)


def test_an_interval_without_weight_still_costs_one_call():
    network = CountingNetwork()
    denoise = NetworkDenoiser(network, SCHEDULE)
    for_sampling = guided(denoise, LABELS, 1.0, None, (0, math.inf))
    assert asked(network, for_sampling, noisy(), LEVELS["one"])[1:] == (1, 3)
    with_open_weight = guided(denoise, LABELS, tf.constant(1.0), None, (0, math.inf))
    assert asked(network, with_open_weight, noisy(), LEVELS["one"])[1:] == (1, 3)


def test_it_can_be_told_other_labels():
    denoise = NetworkDenoiser(CountingNetwork(), SCHEDULE)
    for_sampling = guided(denoise, LABELS, 2.0, None)
    other = for_sampling.conditioned([2, 2, 2])(noisy(), LEVELS["one"])
    wanted = guided(denoise, [2, 2, 2], 2.0, None)(noisy(), LEVELS["one"])
    np.testing.assert_array_equal(other.x, wanted.x)
    assert for_sampling.image_shape == SHAPE and for_sampling.num_classes == 3


def test_a_real_network_guided_by_one_is_bit_for_bit_itself():
    config = UNetConfig((4, 4, 1), 1, 8, (1.0,), num_classes=3)
    network = reference.randomise(PatchedUNet(config))
    denoise, z = NetworkDenoiser(network, SCHEDULE), noisy((3, 4, 4, 1))
    for level in LEVELS.values():
        said = guided(denoise, LABELS, 1.0)(z, level)
        wanted = denoise.conditioned(LABELS)(z, level)
        for a, b in zip(said, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
        for_sampling = guided(denoise, LABELS, 3.0)(z, level)
        assert tf.reduce_max(tf.abs(for_sampling.x - wanted.x)) > 0.01


def test_models_without_classes_cannot_be_guided():
    denoise = NetworkDenoiser(CountingNetwork(num_classes=0), SCHEDULE)
    with pytest.raises(InputError, match="no classes"):
        guided(denoise, LABELS)


@pytest.mark.parametrize("threshold", [0.0, -1.0, 101.0])
def test_thresholds_are_percentiles(threshold):
    denoise = NetworkDenoiser(CountingNetwork(), SCHEDULE)
    with pytest.raises(InputError, match="percentile"):
        guided(denoise, LABELS, threshold=threshold)


@pytest.mark.parametrize("interval", [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_intervals_have_a_length(interval):
    denoise = NetworkDenoiser(CountingNetwork(), SCHEDULE)
    with pytest.raises(InputError, match=r"guidance_interval=.*low,high"):
        guided(denoise, LABELS, interval=interval)
