"""Splits: at each level one part and no other, wherever the boundaries are."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from fakes import SHAPE, CountingNetwork

from pdm_tf.config import InputError
from pdm_tf.denoisers import NetworkDenoiser, guided, split
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule

SCHEDULE = NoiseSchedule.linear()
LABELS = tf.constant([0, 1, 2])


def part(slope, **how):
    return NetworkDenoiser(CountingNetwork(slope, **how), SCHEDULE)


def parts(count):
    return [part(slope) for slope in range(1, count + 1)]


def noisy(count=3):
    rng = np.random.default_rng(0)
    return tf.constant(rng.normal(size=(count, *SHAPE)), tf.float32)


def same(got, wanted):
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def calls(members):
    """How often each part was asked since the last time."""
    counted = [int(member.network.calls) for member in members]
    for member in members:
        member.network.reset()
    return counted


def snr_of(t):
    return math.exp(SCHEDULE.log_snr[t])


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("boundaries", [(), (396,), (200, 700), (100, 396, 800)])
def test_each_level_is_heard_by_its_part_alone(graph, boundaries):
    members = parts(len(boundaries) + 1)
    whole = split(*members, snr=[snr_of(t) for t in boundaries])
    ask = tf.function(lambda z, level: whole(z, level)) if graph else whole
    for t in sorted({0, 999, *(b + d for b in boundaries for d in (-1, 0, 1))}):
        mine = sum(t > boundary for boundary in boundaries)
        wanted = members[mine](noisy(), SCHEDULE.level(t))
        calls(members)
        same(ask(noisy(), SCHEDULE.level(t)), wanted)
        assert calls(members) == [int(i == mine) for i in range(len(members))]


def test_the_ends_are_the_parts_bit_for_bit():
    low, high = parts(2)
    whole = split(low, high, snr=0.25)
    for t, member in ((0, low), (395, low), (396, high), (999, high)):
        same(whole(noisy(), SCHEDULE.level(t)), member(noisy(), SCHEDULE.level(t)))


def test_a_boundary_beyond_either_end_leaves_one_part():
    low, high = parts(2)
    for t in (0, 396, 999):
        level = SCHEDULE.level(t)
        same(split(low, high, snr=1e-9)(noisy(), level), low(noisy(), level))
        same(split(low, high, snr=1e9)(noisy(), level), high(noisy(), level))


def test_exactly_the_boundary_belongs_to_the_less_noisy_part():
    low, high = parts(2)
    level = NoiseLevel(tf.constant(396), tf.constant(math.log(0.25), tf.float32))
    same(split(low, high, snr=0.25)(noisy(), level), low(noisy(), level))
    next_lower = np.nextafter(level.log_snr.numpy(), np.float32(-9))
    noisier = NoiseLevel(level.t, tf.constant(next_lower))
    same(split(low, high, snr=0.25)(noisy(), noisier), high(noisy(), noisier))


@pytest.mark.parametrize("graph", [False, True])
def test_each_picture_may_have_its_own_level(graph):
    members = parts(3)
    whole = split(*members, snr=[snr_of(200), snr_of(700)])
    ask = tf.function(lambda z, level: whole(z, level)) if graph else whole
    timesteps = [999, 0, 200, 201, 700, 701]
    said = ask(noisy(6), SCHEDULE.level(timesteps))
    for n, t in enumerate(timesteps):
        alone = whole(noisy(6)[n : n + 1], SCHEDULE.level(t))
        for a, b in zip(alone, said, strict=True):
            np.testing.assert_allclose(a[0], b[n], rtol=1e-6)


def test_a_walk_in_a_graph_asks_each_part_for_its_own_steps():
    members = parts(2)
    whole, grid = split(*members, snr=0.25), SCHEDULE.grid(50)

    @tf.function
    def sample_from(z):
        def step(i, z):
            return i + 1, 0.1 * whole(z, grid.level(i)).x

        return tf.while_loop(lambda i, z: i < 50, step, (0, z))[1]

    sample_from(noisy())
    late = int((grid.t.numpy() >= 396).sum())
    assert calls(members) == [50 - late, late]


def test_parts_hear_labels_and_may_be_guided():
    members = parts(2)
    whole = split(*members, snr=0.25)
    assert whole.image_shape == SHAPE and whole.num_classes == 3
    for t, member in ((0, members[0]), (999, members[1])):
        level = SCHEDULE.level(t)
        conditioned = whole.conditioned(LABELS)(noisy(), level)
        same(conditioned, member.conditioned(LABELS)(noisy(), level))
        for_sampling = guided(whole, LABELS, 2.0)(noisy(), level)
        same(for_sampling, guided(member, LABELS, 2.0)(noisy(), level))


def test_all_variables_of_the_parts_have_names():
    members = parts(3)
    for i, member in enumerate(members):
        member.network.variables = [keras.Variable([float(i)], name="slope")]
    whole = split(*members, snr=[1.0, 0.25])
    assert [float(v[0]) for v in whole.variables.values()] == [0.0, 1.0, 2.0]
    nested = split(split(*members[:2], snr=1.0), members[2], snr=0.25)
    assert [float(v[0]) for v in nested.variables.values()] == [0.0, 1.0, 2.0]
    for t in (0, 300, 999):
        level = SCHEDULE.level(t)
        same(nested(noisy(), level), whole(noisy(), level))


@pytest.mark.parametrize(
    ("count", "snr"),
    [
        (2, [0.25, 0.1]),
        (3, 0.25),
        (3, [0.1, 0.25]),
        (3, [0.25, 0.25]),
        (1, 0.25),
    ],
)
def test_boundaries_that_leave_gaps_or_overlap_are_refused(count, snr):
    with pytest.raises(InputError, match=f"{count - 1} boundaries above 0, falling"):
        split(*parts(count), snr=snr)


@pytest.mark.parametrize("snr", [0.0, -1.0])
def test_boundaries_are_ratios(snr):
    with pytest.raises(InputError, match="boundaries"):
        split(*parts(2), snr=snr)


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (part(2, shape=(4, 4, 1)), "image_shape"),
        (part(2, num_classes=7), "num_classes"),
        (
            NetworkDenoiser(CountingNetwork(2), NoiseSchedule.linear(beta_end=0.025)),
            "schedule",
        ),
    ],
)
def test_parts_that_differ_are_refused_by_name(other, name):
    with pytest.raises(InputError, match=f"parts 1 and 3 differ in {name}"):
        split(part(1), part(2), other, snr=[1.0, 0.25])


def test_no_parts_are_refused():
    with pytest.raises(InputError):
        split(snr=[])
