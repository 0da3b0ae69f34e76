"""Straight ways: independent pairs, reflow, one step, where everything is known."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from toys import SHAPE, GaussianToy, Toy

from pdm_tf import seeds
from pdm_tf.denoisers import EmpiricalDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.diffusion.flow import LinearFlow
from pdm_tf.objectives.reflow import FlowDistillation, Pairs, Reflow, at, taken
from pdm_tf.samplers import DDIM, DPMSolver, sample_from

RNG = np.random.default_rng(0)
FLOW = LinearFlow.of()
X = tf.zeros([6, *SHAPE])
LABELS = tf.zeros([6], tf.int32)


def pairs_of(count=4):
    x0, x1 = RNG.normal(size=(2, count, *SHAPE)).astype(np.float32)
    return Pairs(x0, x1, np.arange(count, dtype=np.int32) % 2)


class OnFlow(GaussianToy):
    """The Gaussian toy on the linear process."""

    def __init__(self, shift=0.0, image_shape=SHAPE):
        super().__init__(shift, image_shape)
        self.schedule = FLOW


class Answering(Toy):
    """Gives a fixed estimate, on the linear process."""

    def __init__(self, shift=0.0, image_shape=SHAPE, x=None, seen=None):
        super().__init__(shift, image_shape)
        self.schedule, self.x = FLOW, x
        self.seen = [] if seen is None else seen

    def settings(self):
        return super().settings() | {"x": self.x, "seen": self.seen}

    def denoised(self, z, level):
        self.seen.append((z, level))
        return self.x + 0.0 * z


def reflow_of(student, pairs, **changes):
    return replace(Reflow(student, {}, pairs, 0.5, 100), **changes)


def test_annealing_goes_from_fresh_noise_to_that_of_the_pairs():
    """b = 1 is learning from independent pairs, b = 0 is reflow."""
    objective = reflow_of(OnFlow(), pairs_of())
    x0 = tf.constant(RNG.normal(size=(6, *SHAPE)), tf.float32)
    first = objective.draw(0, tf.constant(0), 6)
    fresh = seeds.normal(first.keys, SHAPE)
    np.testing.assert_allclose(objective.noise(x0, first), fresh, atol=1e-6)
    half = objective.draw(0, tf.constant(25), 6)
    fresh = seeds.normal(half.keys, SHAPE)
    wanted = np.sqrt(0.75) * x0 + 0.5 * fresh
    np.testing.assert_allclose(objective.noise(x0, half), wanted, atol=1e-6)
    for step in (50, 90):
        late = objective.draw(0, tf.constant(step), 6)
        np.testing.assert_allclose(objective.noise(x0, late), x0, atol=1e-6)
    plain = replace(objective, annealed=0.0)
    np.testing.assert_array_equal(plain.noise(x0, first), x0)


def test_a_pair_is_mirrored_whole():
    pairs = pairs_of(1)
    draws = reflow_of(OnFlow(), pairs).draw(0, tf.constant(0), 6)
    x0, x1, _ = taken(pairs, draws, flips=True)
    mirrored = draws.flip.numpy() < 0.5
    assert mirrored.any() and not mirrored.all()
    for i, is_mirrored in enumerate(mirrored):
        for found, given in ((x0, pairs.x0), (x1, pairs.x1)):
            wanted = given[0][:, ::-1] if is_mirrored else given[0]
            np.testing.assert_array_equal(found[i], wanted)


def test_a_velocity_that_is_right_costs_nothing_and_another_what_it_is_off():
    """An error e in x is one of e / (1 - u) in v."""
    pairs = pairs_of(1)
    right = Answering(x=tf.constant(pairs.x1))
    objective = reflow_of(right, pairs, annealed=0.0)
    draws = objective.draw(0, tf.constant(3), 6)
    np.testing.assert_allclose(objective(X, LABELS, draws).total, 0.0, atol=1e-9)
    off = reflow_of(Answering(x=right.x + 0.1), pairs, annealed=0.0)
    wanted = (0.1 / np.maximum(1.0 - 0.999 * draws.u.numpy(), 0.05)) ** 2
    np.testing.assert_allclose(off(X, LABELS, draws).total, wanted, rtol=1e-4)


def test_what_the_network_reads_lies_on_the_straight_way():
    pairs = pairs_of(1)
    toy = Answering(x=tf.constant(pairs.x1))
    objective = reflow_of(toy, pairs, annealed=0.0)
    draws = objective.draw(0, tf.constant(3), 6)
    objective(X, LABELS, draws)
    z, level = toy.seen[-1]
    u = 0.999 * draws.u.numpy()[:, None, None, None]
    wanted = u * pairs.x1 + (1.0 - u) * pairs.x0
    np.testing.assert_allclose(z * tf.sqrt(u**2 + (1 - u) ** 2), wanted, atol=1e-5)
    assert level.log_snr.shape == (6, 1, 1, 1)


def test_of_a_gaussian_both_processes_lead_from_a_noise_to_the_same_picture():
    labels = tf.constant([0, 1, 1, 0])
    z = tf.constant(RNG.normal(size=(4, *SHAPE)), tf.float32)
    noisy, flow = GaussianToy(0.4), OnFlow(0.4)
    wanted = sample_from(
        noisy.conditioned(labels), DPMSolver(), noisy.schedule.grid(200, "log_snr"),
        range(4), z,
    )  # fmt: skip
    errors = []
    for steps in (10, 100):
        grid = FLOW.grid(steps)
        found = sample_from(flow.conditioned(labels), DDIM(), grid, range(4), z)
        errors.append(float(tf.reduce_max(tf.abs(found - wanted))))
    assert errors[1] < 0.02 and errors[1] < 0.3 * errors[0]


def test_of_a_single_picture_one_step_lands_on_it():
    x = RNG.uniform(-0.9, 0.9, (1, *SHAPE)).astype(np.float32)
    toy = EmpiricalDenoiser(x, FLOW)
    z = tf.constant(RNG.normal(size=(3, *SHAPE)), tf.float32)
    found = sample_from(toy, DDIM(), FLOW.grid(1), range(3), z)
    np.testing.assert_allclose(found, np.repeat(x, 3, 0), atol=1e-6)


@pytest.mark.parametrize("u", [0.2, 0.5, 0.8])
def test_the_target_in_pictures_is_the_one_in_velocities(u):
    """x0 + u·v_s + (1 - u)·v_T is the teacher's estimate at x_u; straight: its own."""
    x0, jumped, estimate = RNG.normal(size=(3, 2, *SHAPE))
    v_s = jumped - x0
    x_u = x0 + u * v_s
    v_t = (estimate - x_u) / (1.0 - u)
    np.testing.assert_allclose(x0 + u * v_s + (1.0 - u) * v_t, estimate, atol=1e-9)


def test_one_step_is_compared_with_the_pair_and_with_the_teacher_further_on():
    pairs = pairs_of(1)
    student = Answering(x=tf.constant(pairs.x1 + 0.2))
    teacher = Answering(x=tf.constant(pairs.x1 - 0.1))
    objective = FlowDistillation(teacher, student, {}, pairs, 100)
    draws = objective.draw(0, tf.constant(3), 6)
    loss = objective(X, LABELS, draws)
    np.testing.assert_allclose(loss.terms["paired"], 0.04, rtol=1e-4)
    np.testing.assert_allclose(loss.terms["guided"], 0.09, rtol=1e-4)
    np.testing.assert_allclose(loss.total, 0.13, rtol=1e-4)
    starts = [level.log_snr for _, level in student.seen]
    assert all(np.all(np.isneginf(start)) for start in starts)
    z, _ = teacher.seen[-1]
    u = (0.2 + 0.6 * draws.u.numpy())[:, None, None, None]
    fresh = seeds.normal(draws.keys, SHAPE)
    wanted = u * student.x + (1.0 - u) * fresh
    np.testing.assert_allclose(z * tf.sqrt(u**2 + (1 - u) ** 2), wanted, atol=1e-5)


def test_the_start_is_noise_alone():
    w = tf.constant(RNG.normal(size=(2, *SHAPE)), tf.float32)
    z, level = at(FLOW, w, tf.zeros([2]))
    np.testing.assert_array_equal(z, w)
    assert level.t.numpy().tolist() == [999, 999]
    assert NoiseSchedule.linear().timesteps == FLOW.timesteps
