"""Consistency distillation where everything is known: points, Gaussians, our DDIM."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from toys import SHAPE, GaussianToy, Toy, gaussian_flow

from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers import EmpiricalDenoiser, Prediction
from pdm_tf.denoisers.distilled import Consistent
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.objectives.consistency import ConsistencyDistillation
from pdm_tf.samplers import DDIM, integrate

NONE = SamplingConfig(thresholding="none")
LABELS = tf.constant([0, 1, 2, 1])  # 2 is the null label
Z = tf.constant(np.random.default_rng(0).normal(size=(4, *SHAPE)), tf.float32)


def objective_of(teacher, student, **changes):
    made = ConsistencyDistillation(
        teacher=teacher,
        student=student,
        variables={},
        guidance=1.0,
        sampling=NONE,
        label_dropout=0.0,
        solver_steps=50,
    )
    return replace(made, **changes)


def loss_of(objective, x, labels=LABELS):
    draws = objective.draw(0, tf.constant(3), len(x))
    return objective(x, labels, draws)


# --- the solver -----------------------------------------------------------------------


@pytest.mark.parametrize("weight", [1.0, 2.5])
@pytest.mark.parametrize(
    "sampling",
    [NONE, SamplingConfig(thresholding="static"), SamplingConfig(percentile=70.0)],
    ids=["none", "static", "dynamic"],
)
def test_a_step_of_the_solver_is_one_that_ddim_takes_in_the_run(weight, sampling):
    toy = GaussianToy(shift=0.6)
    objective = objective_of(toy, Consistent(toy), guidance=weight, sampling=sampling)
    schedule, sampled = toy.schedule, for_sampling(toy, LABELS, weight, sampling)
    for t in (15, 400, 999):
        to = max(t - 20, 0)
        assert objective.later(tf.constant(t)) == to
        levels = schedule.level([t] * 4), schedule.level([to] * 4)
        found, _ = objective.solve(Z, LABELS, *levels)
        grid = schedule.visiting(tf.constant([t, to]))
        wanted = integrate(sampled, DDIM(), grid, range(4), Z)
        np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_the_last_steps_end_at_the_clean_end_and_never_below():
    toy = GaussianToy()
    objective = objective_of(toy, Consistent(toy), solver_steps=7)
    later = objective.later(tf.range(1, 1000)).numpy()
    assert later.min() == 0 and later[-1] == 999 - 1000 // 7
    assert np.all(later < np.arange(1, 1000))
    finest = replace(objective, solver_steps=5000)
    np.testing.assert_array_equal(finest.later(tf.range(1, 9)), np.arange(8))


# --- where the loss is known ----------------------------------------------------------


def test_of_a_single_picture_the_teacher_is_consistent_already():
    x = np.random.default_rng(1).uniform(-0.9, 0.9, (1, *SHAPE)).astype(np.float32)
    teacher = EmpiricalDenoiser(x, NoiseSchedule.linear())
    objective = objective_of(teacher, Consistent(teacher))
    draws = objective.draw(0, tf.constant(3), 4)
    draws = draws._replace(u=tf.constant([0.1, 0.4, 0.7, 0.95]))
    loss = objective(tf.constant(np.repeat(x, 4, 0)), LABELS, draws)
    np.testing.assert_allclose(loss.terms["consistency"], 0.0, atol=1e-9)


class FlowToy(Toy):
    """Gives the end of a Gaussian toy's exact trajectory: what is to be learned."""

    def denoised(self, z, level):
        alpha = level.alpha
        scale = tf.sqrt(alpha * GaussianToy.std**2 + 1.0 - alpha)
        return z * GaussianToy.std / scale


def test_the_end_of_the_exact_trajectory_is_consistent_as_steps_grow_short():
    teacher, student, x = GaussianToy(), Consistent(FlowToy()), 0.5 * Z
    losses = [
        float(tf.reduce_mean(loss_of(
            objective_of(teacher, student, solver_steps=steps), x
        ).terms["consistency"]))
        for steps in (10, 40, 160)
    ]  # fmt: skip
    plain = loss_of(objective_of(teacher, Consistent(teacher), solver_steps=10), x)
    assert losses[1] < 0.15 * losses[0] and losses[2] < 0.15 * losses[1]
    assert losses[0] < 0.1 * float(tf.reduce_mean(plain.terms["consistency"]))


def test_the_flow_toy_is_the_flow():
    level = FlowToy().schedule.level(500)
    clean = FlowToy().schedule.level(0)
    wanted = gaussian_flow(Z.numpy(), level, clean)
    np.testing.assert_allclose(FlowToy()(Z, level).x, wanted, atol=2e-3)


# --- what learns ----------------------------------------------------------------------


class ScaledToy(Toy):
    """A Gaussian toy's estimate times a variable."""

    def __init__(self, shift=0.0, image_shape=SHAPE, factor=None):
        super().__init__(shift, image_shape)
        self.factor = tf.Variable(0.8) if factor is None else factor

    def settings(self):
        return super().settings() | {"factor": self.factor}

    def __call__(self, z, level):
        known = GaussianToy(self.shift)
        known = known if self.labels is None else known.conditioned(self.labels)
        return Prediction(self.factor * known(z, level).x, 0.5 * tf.ones_like(z))


def test_the_target_has_no_gradient_though_it_is_the_students_own():
    student, held = ScaledToy(), ScaledToy()
    objective = objective_of(GaussianToy(), Consistent(student))
    draws = objective.draw(0, tf.constant(3), 4)
    with tf.GradientTape() as tape:
        total = tf.reduce_mean(objective(Z, LABELS, draws).total)
    found = tape.gradient(total, student.factor)
    values = []
    for change in (1e-2, -1e-2):
        student.factor.assign_add(change)
        both = _TargetOf(Consistent(student), Consistent(held))
        loss = replace(objective, student=both)(Z, LABELS, draws)
        values.append(float(tf.reduce_mean(loss.total)))
        student.factor.assign_sub(change)
    assert float(found) == pytest.approx((values[0] - values[1]) / 2e-2, rel=1e-3)


class _TargetOf(Consistent):
    """Two denoisers by turns: the objective asks for its target first."""

    def __init__(self, own, target):
        super().__init__(own.denoise)
        self.own, self.target, self.calls = own, target, [0]

    def conditioned(self, labels=None):
        made = _TargetOf(self.own.conditioned(labels), self.target.conditioned(labels))
        made.calls = self.calls
        return made

    def __call__(self, z, level):
        self.calls[0] += 1
        return (self.target if self.calls[0] == 1 else self.own)(z, level)


def test_pseudo_huber_is_the_square_of_small_errors_and_the_size_of_large_ones():
    objective = objective_of(GaussianToy(), Consistent(GaussianToy()), huber=1e-3)
    small, large = (objective._loss(tf.fill([2, *SHAPE], d)) for d in (1e-5, 0.5))
    np.testing.assert_allclose(small, 1e-10 / 2e-3, rtol=1e-2)
    np.testing.assert_allclose(large, 0.5, rtol=3e-3)
