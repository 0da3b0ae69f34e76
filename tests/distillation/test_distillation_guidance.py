"""Distilled guidance: its target is what the run samples; only adapters learn it."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from small_networks import SCHEDULE, SMALL, noisy, small_denoiser
from toys import SHAPE, GaussianToy, Toy

from pdm_tf.config import Config, InputError, SamplingConfig
from pdm_tf.denoisers import Prediction, split
from pdm_tf.denoisers.distilled import Distilled
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.distillation.guidance_lora import Config as Settings
from pdm_tf.distillation.guidance_lora import derive
from pdm_tf.networks.recomputation import recomputing
from pdm_tf.objectives.guidance_distillation import GuidanceDistillation
from pdm_tf.objectives.guided_target import visible_error
from pdm_tf.samplers import DDIM, integrate, sample
from pdm_tf.serving.description import describe, schedule_settings
from pdm_tf.serving.litert_generator import callback_denoiser
from pdm_tf.training.optimizer import Adam

LABELS = tf.constant([0, 1, 2, 3])  # the last is the null label
STATIC = SamplingConfig(thresholding="static")


@cache
def base_denoiser():
    """One base for all tests: none of them may change it."""
    return small_denoiser()


def derived(base=None, sampling=STATIC, **settings):
    base = base_denoiser() if base is None else base
    context = SimpleNamespace(settings=Config(sampling=sampling))
    return derive(base, Settings(rank=2, **settings), context)


def pictures(count=4):
    shape = (count, *SMALL.image_shape)
    drawn = np.random.default_rng(3).uniform(-1, 1, shape)
    return tf.constant(drawn, tf.float32)


def loss_and_gradients(objective, variables, step=0):
    draws = objective.draw(0, tf.cast(step, tf.int64), 4)
    with tf.GradientTape() as tape:
        loss = objective(pictures(), LABELS, draws)
        total = tf.reduce_mean(loss.total)
    zero = tf.UnconnectedGradients.ZERO
    return loss, tape.gradient(total, variables, unconnected_gradients=zero)


def moved(objective, seed=0):
    """The objective, its adapters no longer zero."""
    rng = np.random.default_rng(seed)
    for name, variable in objective.variables.items():
        if name.endswith(".b"):
            variable.assign(0.1 * rng.normal(size=variable.shape))
    return objective


# --- the target -----------------------------------------------------------------------


@pytest.mark.parametrize("weight", [1.0, 4.0])
@pytest.mark.parametrize(
    "sampling",
    [
        SamplingConfig(thresholding="none", guidance_interval=(0.0, 5.0)),
        SamplingConfig(thresholding="dynamic", percentile=60.0),
        SamplingConfig(thresholding="dynamic", guidance_interval=(0.1, 5.0)),
    ],
    ids=["none", "dynamic", "interval"],
)
def test_the_target_is_the_estimate_that_the_base_is_sampled_with(weight, sampling):
    base, z = base_denoiser(), 2.0 * noisy(4)
    objective = derived(base, sampling, guidance=weight).objective
    with_guidance = for_sampling(base, LABELS, weight, sampling)
    for t in (5, 300, 900):  # outside and inside of the intervals
        found = objective.target(z, LABELS, SCHEDULE.level([t] * 4))
        wanted = with_guidance(z, SCHEDULE.level(t))
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5)


def test_the_target_is_guided_with_a_class_and_unguided_without():
    sampling, z, level = replace(STATIC, thresholding="none"), noisy(4), [900] * 4
    objective = derived(sampling=sampling, guidance=4.0).objective
    found = objective.target(z, LABELS, SCHEDULE.level(level)).x
    plain = base_denoiser().conditioned(LABELS)(z, SCHEDULE.level(level)).x
    np.testing.assert_allclose(found[3], plain[3], atol=2e-5)
    assert np.all(np.abs(found - plain)[:3].max(axis=(1, 2, 3)) > 2e-4)


def test_levels_of_a_batch_are_judged_each_for_itself():
    sampling = SamplingConfig(thresholding="none", guidance_interval=(0.1, 5.0))
    objective = derived(sampling=sampling, guidance=4.0).objective
    z, t = noisy(4), [5, 300, 900, 300]
    together = objective.target(z, LABELS, SCHEDULE.level(t)).x
    for i, alone in enumerate(t):
        found = objective.target(z, LABELS, SCHEDULE.level([alone] * 4)).x
        np.testing.assert_allclose(found[i], together[i], atol=1e-5)


def test_without_guidance_there_is_nothing_to_learn():
    objective = derived(guidance=1.0, label_dropout=0.5).objective
    variables = list(objective.variables.values())
    loss, gradients = loss_and_gradients(objective, variables)
    np.testing.assert_allclose(loss.total, 0.0, atol=1e-10)
    for gradient in gradients:
        np.testing.assert_allclose(gradient, 0.0, atol=1e-5)


def test_at_first_only_the_second_factor_has_a_gradient():
    objective = derived(guidance=4.0).objective
    loss, gradients = loss_and_gradients(objective, list(objective.variables.values()))
    assert np.all(loss.terms["guided"][:3] > 0)
    learns = {"a": 0.0, "b": 0.0}
    for name, gradient in zip(objective.variables, gradients, strict=True):
        learns[name[-1]] += np.abs(gradient).sum()
    assert learns["a"] == 0.0 < learns["b"]


def test_an_error_that_clipping_hides_counts_nothing():
    own = tf.constant([1.5, 0.9, -1.2, 0.3, 1.5])
    target = tf.constant([1.2, 1.2, 1.2, 0.3, 0.5])
    error = visible_error(own, target, STATIC)
    np.testing.assert_allclose(error, [0.0, -0.1, -2.2, 0.0, 1.0], atol=1e-6)


# --- what z are trained on ------------------------------------------------------------


def test_trajectories_are_those_that_ddim_takes_with_the_student():
    objective = moved(derived(trajectory_steps=3).objective)
    eps, seeds = noisy(4), range(4)
    for t in (0, 500, 990):
        steps = np.round(999 - (999 - t) * np.arange(4, dtype=np.float32) / 3)
        grid = SCHEDULE.visiting(tf.constant(steps, tf.int32))
        student = for_sampling(objective.student, LABELS, 1.0, STATIC)
        wanted = integrate(student, DDIM(), grid, seeds, eps)
        found = objective.trajectory(eps, LABELS, SCHEDULE.level([t] * 4))
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("count", [4, 5])
def test_data_and_trajectories_take_turns(count):
    with_own, without = (
        moved(derived(trajectory_steps=steps).objective) for steps in (2, 0)
    )
    draws = with_own.draw(0, tf.constant(7, tf.int64), count)
    level = SCHEDULE.level([100, 300, 500, 700, 900][:count])
    labels = tf.range(count) % 3
    given = pictures(count), labels, level, draws
    mixed, data = with_own.noisy(*given), without.noisy(*given)
    np.testing.assert_array_equal(mixed[::2], data[::2])
    assert np.all(np.abs(mixed - data)[1::2].max(axis=(1, 2, 3)) > 0.01)


# --- what learns ----------------------------------------------------------------------


def test_one_copy_of_the_base_is_held_and_only_adapters_learn():
    base = base_denoiser()
    made, own = derived(base), {id(v) for v in base.variables.values()}
    objective = made.objective
    for denoise in (objective.teacher, objective.student):
        assert denoise.network is base.network
    added = {n: v for n, v in made.denoiser.variables.items() if id(v) not in own}
    assert added == objective.variables
    assert all(name.startswith("plan.") for name in added)
    held = {id(v): v for d in (made.denoiser, objective.teacher, objective.student)
            for v in d.variables.values()}  # fmt: skip
    assert set(held) == own | {id(v) for v in added.values()}
    taken, whole = (
        sum(v.numpy().nbytes for v in found.values())
        for found in (objective.variables, base.variables)
    )
    assert taken < 0.5 * whole


@pytest.mark.slow  # that blocks computed again teach the same: tests/conformance
@pytest.mark.parametrize("kind", ["graph", "xla"])
def test_gradients_do_not_depend_on_how_a_step_is_compiled(kind):
    objective = moved(derived(guidance=3.0, trajectory_steps=2).objective)
    variables = list(objective.variables.values())
    wanted = loss_and_gradients(objective, variables)[1]
    compiled = tf.function(
        lambda: loss_and_gradients(objective, variables)[1],
        autograph=False,
        jit_compile=kind == "xla",
    )
    with recomputing(True):
        found = compiled()
    largest = max(np.abs(gradient).max() for gradient in wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a / largest, b / largest, atol=1e-4)


class Training:
    """An objective with Adam, as a trainer holds it, on the same few pictures."""

    def __init__(self):
        self.objective = derived(guidance=20.0, trajectory_steps=1).objective
        learning = self.objective.variables
        self.adam = Adam(learning, lambda step: 1e-3)
        self.state = [*learning.values(), *self.adam.m.values(), *self.adam.v.values()]
        self.step = tf.function(self._step, autograph=False)

    def _step(self, count):
        variables = list(self.objective.variables.values())
        loss, gradients = loss_and_gradients(self.objective, variables, count)
        self.adam.apply(gradients, count)
        return tf.reduce_mean(loss.total)

    def run(self, *counts):
        return [float(self.step(tf.constant(n, tf.int64))) for n in counts]


@pytest.mark.slow  # tests/assemble stops and goes on in the quick set
def test_training_goes_on_as_if_never_stopped_and_changes_no_weight_of_the_base():
    before = {name: v.numpy() for name, v in base_denoiser().variables.items()}
    straight, resumed = Training(), Training()
    straight.run(*range(5))
    for own, stopped in zip(resumed.state, straight.state, strict=True):
        own.assign(stopped)
    straight.run(*range(5, 10))
    resumed.run(*range(5, 10))
    for own, other in zip(resumed.state, straight.state, strict=True):
        np.testing.assert_array_equal(own, other)
    for name, variable in base_denoiser().variables.items():
        np.testing.assert_array_equal(variable, before[name])


@pytest.mark.slow
def test_training_lowers_the_loss():
    losses = Training().run(*[0] * 15)
    assert losses[-1] < 0.8 * losses[0]


# --- where the optimum is known -------------------------------------------------------


class ShiftedToy(Toy):
    """A Gaussian toy whose estimate is moved by a learned mean of each class."""

    def __init__(self, shift=0.0, image_shape=SHAPE, means=None):
        super().__init__(shift, image_shape)
        self.means = tf.Variable(tf.zeros([3])) if means is None else means

    def settings(self):
        return super().settings() | {"means": self.means}

    def __call__(self, z, level):
        toy = GaussianToy(self.shift).conditioned(self.labels)
        mean = tf.gather(self.means, self.labels)[:, None, None, None]
        wide = level.per_pixel()
        pull = 1.0 - wide.alpha * toy.std**2 / (
            wide.alpha * toy.std**2 + 1.0 - wide.alpha
        )
        return Prediction(toy(z, level).x + pull * mean, 0.5 * tf.ones_like(z))


def test_of_gaussians_of_equal_spread_the_guided_estimate_is_affine_and_is_learned():
    """D(z, y) = m_y + K (z - s m_y): guidance moves m_y by (w - 1)(m_y - m_null)."""
    shift, w = 0.4, 2.5
    student = ShiftedToy(shift)
    objective = GuidanceDistillation(
        teacher=GaussianToy(shift),
        student=student,
        variables={"means": student.means},
        guidance=w,
        sampling=SamplingConfig(thresholding="none"),
        weighting="uniform",
        label_dropout=0.0,
        t_range=(0, 999),
        trajectory_steps=2,
    )
    labels = tf.tile(tf.range(3), [40])
    x = tf.zeros([120, *SHAPE])

    @tf.function(autograph=False)
    def step(count):
        draws = objective.draw(0, count, 120)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(objective(x, labels, draws).total)
        slope = tf.convert_to_tensor(tape.gradient(loss, student.means))
        student.means.assign_sub(2.0 * slope)
        return loss

    losses = [float(step(tf.constant(n, tf.int64))) for n in range(40)]
    assert losses[-1] < 1e-8 < 1e-3 < losses[0]
    wanted = [-shift * (w - 1.0), shift * (w - 1.0), 0.0]
    np.testing.assert_allclose(student.means, wanted, atol=1e-3)


# --- what is sampled ------------------------------------------------------------------


class Recording(Toy):
    """Notes how many pictures each call has."""

    def __init__(self, shift=0.3, image_shape=SHAPE, calls=None):
        super().__init__(shift, image_shape)
        self.calls = [] if calls is None else calls

    def settings(self):
        return super().settings() | {"calls": self.calls}

    def denoised(self, z, level):
        self.calls.append(z.shape[0])
        return 0.5 * z + self.shifted(z)


@pytest.mark.parametrize("weight", [1.0, 1.5, 7.0])
@pytest.mark.parametrize("sampling", [STATIC, SamplingConfig()], ids=str)
def test_what_is_distilled_is_evaluated_once_whatever_guidance_is_asked_for(
    weight, sampling
):
    labels, toy = tf.constant([0, 1, 1]), Recording()
    level, z = SCHEDULE.level(500), tf.ones([3, *SHAPE])
    distilled = Distilled(toy, 1.5)
    found = for_sampling(distilled, labels, weight, sampling)(z, level).x
    assert toy.calls == [3]
    np.testing.assert_array_equal(found, toy.conditioned(labels)(z, level).x)
    toy.calls.clear()
    for_sampling(toy, labels, 1.5, sampling)(z, level)
    assert toy.calls == [6]


def test_the_derived_model_samples_what_its_student_does_without_a_threshold():
    made = derived()
    moved(made.objective)
    grid = SCHEDULE.grid(3)
    given = DDIM(), grid, range(4), SMALL.image_shape
    wanted = sample(made.denoiser.denoise.conditioned(LABELS), *given)
    found = sample(
        for_sampling(made.denoiser, LABELS, 3.0, replace(STATIC, thresholding="none")),
        *given,
    )
    np.testing.assert_array_equal(found, wanted)
    assert made.sampling == {"sample_guidance": 1.0, "guidance_interval": ()}


def test_each_part_of_a_split_gets_adapters():
    parts = split(small_denoiser(), small_denoiser(), snr=1.0)
    made = derived(parts)
    names = set(made.objective.variables)
    assert all(any(n.startswith(f"part_{i}_plan.") for n in names) for i in (0, 1))


def test_what_cannot_be_distilled_is_refused_in_one_line():
    toy = GaussianToy()
    toy.num_classes = 0
    cases = [
        (toy, {}, "no classes"),
        (GaussianToy(), {}, "GaussianToy has none"),
        (Distilled(small_denoiser(), 1.5), {}, "guides already, at w = 1.5"),
        (None, {"trajectory_steps": -1}, "trajectory_steps=-1"),
    ]
    for base, settings, words in cases:
        with pytest.raises(InputError, match=words) as error:
            derived(base, **settings)
        assert "\n" not in str(error.value)


def test_a_file_that_holds_the_network_alone_says_that_it_guides():
    distilled = Distilled(GaussianToy(), 1.5)
    schedule = {"schedule": schedule_settings(SCHEDULE)}
    for model, guidance in ((distilled, 1.5), (GaussianToy(), None)):
        description = describe(model, STATIC) | schedule
        opened = callback_denoiser(lambda *given: given, description)
        assert opened.distilled_guidance == guidance
        description.pop("distilled_guidance")  # as older files are
        opened = callback_denoiser(lambda *given: given, description)
        assert opened.distilled_guidance is None
