"""Progressive distillation: the target takes z as far in one step as DDIM in two."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from toys import SHAPE, GaussianToy, Toy

from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers import Prediction
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.objectives.progressive import ProgressiveDistillation
from pdm_tf.samplers import DDIM, SPACINGS, integrate, sample_from

NONE = SamplingConfig(thresholding="none")
LABELS = tf.constant([0, 1, 2, 1])  # 2 is the null label
Z = tf.constant(np.random.default_rng(0).normal(size=(4, *SHAPE)), tf.float32)


def objective_of(teacher, student, **changes):
    made = ProgressiveDistillation(
        teacher=teacher,
        student=student,
        variables={},
        guidance=1.0,
        sampling=NONE,
        label_dropout=0.0,
        steps=4,
    )
    return replace(made, **changes)


class Answering(Toy):
    """Gives a fixed estimate."""

    def __init__(self, shift=0.0, image_shape=SHAPE, x=None):
        super().__init__(shift, image_shape)
        self.x = x

    def settings(self):
        return super().settings() | {"x": self.x}

    def __call__(self, z, level):
        return Prediction(self.x, 0.5 * tf.ones_like(z))


@pytest.mark.parametrize("steps", [1, 4, 16])
def test_levels_are_those_that_both_are_sampled_at(steps):
    toy = GaussianToy()
    objective = objective_of(toy, toy, steps=steps)
    level, middle, to = objective.levels(tf.range(steps))
    coarse = toy.schedule.grid(steps, SPACINGS["ddim_trailing"]).t.numpy()
    fine = toy.schedule.grid(2 * steps, SPACINGS["ddim_trailing"]).t.numpy()
    np.testing.assert_array_equal(level.t, coarse)
    np.testing.assert_array_equal(middle.t, fine[1::2])
    np.testing.assert_array_equal(to.t, [*coarse[1:], -1])
    assert to.log_snr[-1] == np.inf


@pytest.mark.parametrize("weight", [1.0, 2.5])
@pytest.mark.parametrize("thresholding", ["none", "static", "dynamic"])
def test_one_step_with_the_target_ends_where_two_of_the_teacher_do(
    weight, thresholding
):
    toy = GaussianToy(shift=0.6)
    sampling = SamplingConfig(thresholding=thresholding, percentile=70.0)
    objective = objective_of(toy, toy, guidance=weight, sampling=sampling)
    sampled = for_sampling(toy, LABELS, weight, sampling)
    for i in range(4):
        levels = objective.levels(tf.fill([4], i))
        target, _ = objective.target(Z, LABELS, *levels)
        grid = toy.schedule.visiting(tf.stack([level.t[0] for level in levels[:2]]))
        if i == 3:
            wanted = sample_from(sampled, DDIM(), grid, range(4), Z)
            np.testing.assert_allclose(target, wanted, atol=2e-5)
            continue
        ends = toy.schedule.visiting(tf.stack([level.t[0] for level in levels]))
        wanted = integrate(sampled, DDIM(), ends, range(4), Z)
        once = toy.schedule.visiting(tf.stack([levels[0].t[0], levels[2].t[0]]))
        found = integrate(Answering(x=target), DDIM(), once, range(4), Z)
        np.testing.assert_allclose(found, wanted, atol=5e-5)


def test_a_student_that_gives_the_target_has_no_loss():
    toy = GaussianToy()
    objective = objective_of(toy, toy)
    draws = objective.draw(0, tf.constant(3), 4)
    plain = objective(Z, LABELS, draws)
    assert np.all(plain.terms["halved"] > 0)

    class Perfect(Toy):
        """Solves for the target itself."""

        def __call__(self, z, level):
            i = 4 - (level.t + 1) // 250
            x, variance = objective.target(z, self.labels, *objective.levels(i))
            return Prediction(x, variance)

    loss = replace(objective, student=Perfect())(Z, LABELS, draws)
    np.testing.assert_allclose(loss.total, 0.0, atol=1e-9)


class Saturated(Toy):
    """Estimates far below the range of pictures, as a background often is."""

    def __call__(self, z, level):
        return Prediction(tf.fill(tf.shape(z), -1.4), 0.5 * tf.ones_like(z))


@pytest.mark.parametrize("seed", range(3))
def test_what_clipping_hides_counts_nothing_though_the_target_is_rounded(seed):
    static = SamplingConfig(thresholding="static")
    objective = objective_of(Saturated(), Saturated(), sampling=static, steps=16)
    draws = objective.draw(seed, tf.constant(3), 4)
    loss = objective(Z, LABELS, draws)
    np.testing.assert_array_equal(loss.terms["halved"], 0.0)
