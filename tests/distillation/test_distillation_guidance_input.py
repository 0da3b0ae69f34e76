"""A weight of guidance as an input of the student: what it means wherever it goes."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from small_networks import SCHEDULE, SMALL, noisy, small_denoiser

from pdm_tf.config import Config, InputError, SamplingConfig
from pdm_tf.denoisers import split
from pdm_tf.denoisers.distilled import distilled
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.distillation.guidance_lora import Config as Settings
from pdm_tf.distillation.guidance_lora import derive
from pdm_tf.networks.recomputation import recomputing
from pdm_tf.samplers import DDIM, sample
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.description import describe, read_description

LABELS = tf.constant([0, 1, 2, 3])  # the last is the null label
STATIC = SamplingConfig(thresholding="static")
RANGE = (1.0, 4.0)


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


def made_of(base, **settings):
    """A student of a base, its adapters no longer zero."""
    context = SimpleNamespace(settings=Config(sampling=STATIC))
    given = {"rank": 2, "guidance_range": RANGE, "trajectory_steps": 1, **settings}
    derivation = derive(base, Settings(**given), context)
    rng = np.random.default_rng(0)
    for name, variable in derivation.objective.variables.items():
        if name[-1] in "bc":
            variable.assign(0.1 * rng.normal(size=variable.shape))
    return derivation


@pytest.fixture(scope="module")
def made(base):
    return made_of(base)


@pytest.fixture(scope="module")
def z():
    return noisy(4)


def estimate(denoise, z, weight, sampling=STATIC):
    asked = for_sampling(denoise, LABELS, weight, sampling)
    return tf.nest.map_structure(np.asarray, asked(z, SCHEDULE.level(500)))


def drawn_at(objective, step, count):
    return objective.draw(0, tf.constant(step, tf.int64), count).guidance.numpy()


def loss_at(objective, weight, step=0):
    """Loss and gradients of a group at that w."""
    draws = objective.draw(0, tf.constant(step, tf.int64), 4)
    draws = draws._replace(guidance=tf.fill([4], weight))
    x = tf.clip_by_value(0.5 * noisy(4, seed=3), -1.0, 1.0)
    variables = list(objective.variables.values())
    with tf.GradientTape() as tape:
        loss = objective(x, LABELS, draws)
        total = tf.reduce_sum(loss.total)
    zero = tf.UnconnectedGradients.ZERO
    return loss, tape.gradient(total, variables, unconnected_gradients=zero)


# --- what w means ---------------------------------------------------------------------


def test_at_1_it_is_the_base_without_guidance_bit_for_bit(base, made, z):
    for found, wanted in zip(
        estimate(made.denoiser, z, 1.0), estimate(base, z, 1.0), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)
    other = estimate(made.denoiser, z, 2.0).x
    assert np.abs(other - estimate(base, z, 1.0).x).max() > 1e-3


def test_a_number_and_an_open_tensor_are_the_same_w(made, z):
    graph = tf.function(
        lambda weight: for_sampling(made.denoiser, LABELS, weight, STATIC)(
            z, SCHEDULE.level(500)
        ),
        input_signature=[tf.TensorSpec([], tf.float32)],
        autograph=False,
    )
    each = [graph(tf.constant(w)).x for w in (1.5, 3.0)]
    for w, found in zip((1.5, 3.0), each, strict=True):
        np.testing.assert_allclose(found, estimate(made.denoiser, z, w).x, atol=1e-6)
    assert np.abs(each[0] - each[1]).max() > 1e-3


def test_where_no_w_is_asked_for_it_is_that_of_the_settings(made, z):
    plain = made.denoiser.conditioned(LABELS)(z, SCHEDULE.level(500)).x
    none = replace(STATIC, thresholding="none")
    np.testing.assert_array_equal(plain, estimate(made.denoiser, z, 1.5, none).x)
    assert made.denoiser.distilled_guidance == 1.5
    assert made.sampling == {"sample_guidance": 1.5, "guidance_interval": ()}


def test_constant_weights_leave_w_open(made, z):
    """Of one function: another w makes no second copy of the weights."""
    constant = made.denoiser.with_constant_weights()
    assert not constant.variables
    for w in (1.0, 1.5, 3.0):
        found, wanted = (estimate(d, z, w).x for d in (constant, made.denoiser))
        np.testing.assert_allclose(found, wanted, atol=2e-5)
    inner = [d.denoise._evaluate for d in (constant, constant.at_guidance(3.0))]
    assert inner[0] is inner[1]


@pytest.mark.slow
def test_each_part_of_a_split_takes_it(base, z):
    student = made_of(split(base, small_denoiser(), snr=1.0)).denoiser
    for t in (100, 900):
        level = SCHEDULE.level(t)
        first, other = (student.at_guidance(w)(z, level).x for w in (1.0, 3.0))
        assert np.abs(first - other).max() > 1e-3


def test_one_evaluation_a_step_is_all_that_is_counted(made):
    generator = DenoiserGenerator(made.denoiser, STATIC)
    generator.generate(np.arange(2), np.arange(2), "3", 2.5, "ddim")
    assert generator.evaluated == 3


# --- what is learned ------------------------------------------------------------------


def test_at_1_nothing_is_lost_and_nothing_learns(made):
    loss, gradients = loss_at(made.objective, 1.0)
    np.testing.assert_allclose(loss.total, 0.0, atol=1e-10)
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, tf.zeros_like(gradient))


def test_the_loss_is_that_of_a_student_of_the_one_w(made):
    fixed = made.objective.at_guidance(2.5)
    draws = fixed.draw(0, tf.constant(0, tf.int64), 4)
    assert draws.guidance == ()
    x = tf.clip_by_value(0.5 * noisy(4, seed=3), -1.0, 1.0)
    found = loss_at(made.objective, 2.5)[0].total
    np.testing.assert_allclose(found, fixed(x, LABELS, draws).total, rtol=1e-4)
    wanted = for_sampling(fixed.teacher, LABELS, 2.5, replace(STATIC, thresholding=""))
    z, level = noisy(4), [500] * 4
    np.testing.assert_allclose(
        fixed.target(z, LABELS, SCHEDULE.level(level)).x,
        wanted(z, SCHEDULE.level(500)).x,
        atol=2e-5,
    )


@pytest.mark.slow  # 12 s of processor to trace twice
def test_blocks_computed_again_give_the_same_gradients(made):
    step = tf.function(lambda w: loss_at(made.objective, w)[1], autograph=False)
    wanted = step(tf.constant(3.0))
    with recomputing(True):
        again = tf.function(lambda w: loss_at(made.objective, w)[1], autograph=False)
        found = again(tf.constant(3.0))
    largest = max(np.abs(gradient).max() for gradient in wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a / largest, b / largest, atol=1e-4)
    names = list(made.objective.variables)
    learns = {n[-1] for n, g in zip(names, wanted, strict=True) if np.any(g)}
    assert learns == {"a", "b", "c"}


def test_w_is_drawn_evenly_one_for_what_is_computed_at_once(base):
    objective = made_of(base, microbatch=2).objective
    drawn = np.stack([drawn_at(objective, n, 192) for n in range(4)])
    np.testing.assert_array_equal(drawn[:, ::2], drawn[:, 1::2])
    np.testing.assert_array_equal(drawn_at(objective, 3, 192), drawn[-1])
    groups = drawn[:, ::2].ravel()
    assert len(set(groups)) == groups.size
    assert RANGE[0] <= groups.min() < 1.1 and 3.9 < groups.max() <= RANGE[1]
    # 4 standard errors of the mean of 384 even draws of [1, 4]
    assert abs(groups.mean() - 2.5) < 4 * 3 / np.sqrt(12 * groups.size)


# --- what is refused, and what is kept ------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"guidance_range": (4.0, 1.0)}, "guidance_range=4.0,1.0"),
        ({"guidance_range": (0.5, 2.0)}, "guidance_range=0.5,2.0"),
        ({"guidance_range": (2.0,)}, "guidance_range=2.0"),
        ({"guidance_range": (2.0, 3.0)}, "guidance=1.5.*2 to 3"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(base, settings, words):
    with pytest.raises(InputError, match=words):
        made_of(base, **settings)


def test_a_w_outside_of_the_range_is_refused_in_one_line(made, z):
    generator = DenoiserGenerator(made.denoiser, STATIC)
    asked = np.arange(1), np.arange(1), "2", 7.0, "ddim"
    for call in (
        lambda: estimate(made.denoiser, z, 7.0),
        lambda: generator.generate(*asked),
    ):
        with pytest.raises(InputError, match=r"^guidance=7.0.*from 1 to 4") as error:
            call()
        assert "\n" not in str(error.value)


def test_the_facts_that_model_json_keeps_make_the_same_denoiser(made):
    facts = json.loads(json.dumps(dict(made.facts)))["distilled"]
    again = distilled(made.denoiser.denoise, **facts)
    for name in ("guidance_range", "distilled_guidance", "own_sampler"):
        assert getattr(again, name) == getattr(made.denoiser, name)
    assert again.guidance_range == RANGE and again.distilled_guidance == 1.5


def test_what_an_export_says_of_the_range_can_be_read(made):
    said = read_description(json.dumps(describe(made.denoiser, STATIC)))
    assert said["guidance_range"] == [1.0, 4.0]
    assert said["distilled_guidance"] == 1.5
    for damaged in ([1.0], "wide", [1.0, None]):
        with pytest.raises(InputError, match="guidance_range"):
            read_description(json.dumps(said | {"guidance_range": damaged}))


@pytest.mark.slow
def test_pictures_of_a_w_are_those_of_the_student_at_it(made):
    grid = SCHEDULE.grid(3)
    given = DDIM(), grid, range(4), SMALL.image_shape
    student = made.denoiser.denoise.at_guidance(3.0).conditioned(LABELS)
    none = replace(STATIC, thresholding="none")
    found = sample(for_sampling(made.denoiser, LABELS, 3.0, none), *given)
    np.testing.assert_array_equal(found, sample(student, *given))
