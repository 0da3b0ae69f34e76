"""MMD: its estimate, gradients through the unrolled sampler, features of pictures."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from small_networks import noisy, small_denoiser, small_network
from toys import SHAPE, GaussianToy, Toy

from pdm_tf import seeds
from pdm_tf.adapters import lora_plan
from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers.distilled import distilled
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.networks.transforms import plan_variables
from pdm_tf.objectives.classifier import train_classifier
from pdm_tf.objectives.mean_discrepancy import (
    KERNELS,
    MeanDiscrepancy,
    Reference,
    cubic,
    discrepancies,
    labelled,
    self_similarity,
)
from pdm_tf.objectives.principal_features import (
    PrincipalFeatures,
    fit_features,
    look_through,
    look_with,
)
from pdm_tf.samplers import DDIM, LCM, RecordedNoise, sample

RNG = np.random.default_rng(0)
NONE = SamplingConfig(thresholding="none")
LABELS = tf.constant([0, 1, 2, 1])  # 2 is the null label


def normals(count, mean=0.0, seed=0):
    return np.random.default_rng(seed).normal(mean, 1.0, (count, 1))


# --- the estimate ---------------------------------------------------------------------


@pytest.mark.parametrize("name", KERNELS)
def test_it_is_the_sum_over_all_pairs_of_two(name):
    kernel = KERNELS[name]
    x, y = RNG.normal(size=(5, 3)), RNG.normal(size=(4, 3))

    def similar(a, b):
        near = (a @ b / 3 + 1.0) ** 3
        return near if name == "cubic" else np.exp(-((a - b) @ (a - b)) / 3)

    def mean(left, right, same):
        found = [
            similar(a, b)
            for i, a in enumerate(left)
            for j, b in enumerate(right)
            if not (same and i == j)
        ]
        return np.mean(found)

    wanted = mean(x, x, True) + mean(y, y, True) - 2.0 * mean(x, y, False)
    found = discrepancies(x, y, kernel).numpy()
    np.testing.assert_allclose(found.mean(), wanted, rtol=1e-9)
    known = discrepancies(x, y, kernel, self_similarity(y, kernel))
    np.testing.assert_array_equal(known, found)


def test_of_one_feature_the_cubic_kernel_compares_three_moments():
    """(dm3)² + 3 (dm2)² + 3 (dm1)² of raw moments: here of N(0, 1) and N(0.5, 1)."""
    other = [0.5, 1.0 + 0.25, 0.125 + 1.5]
    wanted = other[2] ** 2 + 3.0 * (other[1] - 1.0) ** 2 + 3.0 * other[0] ** 2
    found = [
        discrepancies(normals(300, 0.0, s), normals(200, 0.5, 900 + s), cubic)
        for s in range(60)
    ]
    each = np.mean(found, axis=1)
    error = each.std() / np.sqrt(len(each))
    assert abs(each.mean() - wanted) < 3.0 * error < 0.3 * wanted


def test_of_equal_laws_it_is_zero_on_average_and_negative_at_times():
    each = np.array(
        [
            discrepancies(normals(40, 0.3, s), normals(40, 0.3, 900 + s), cubic)
            for s in range(200)
        ]
    ).mean(1)
    assert abs(each.mean()) < 3.0 * each.std() / np.sqrt(len(each))
    assert 0.2 < np.mean(each < 0.0) < 0.9


def test_equal_labels_add_their_weight_and_the_null_label_is_like_no_other():
    x = RNG.normal(size=(3, 5)).astype(np.float32)
    both = labelled(x, [0, 0, 2], 2, 0.7)
    plain = np.concatenate([x, np.zeros((3, 2))], 1)
    gained = (both.numpy() @ both.numpy().T - plain @ plain.T) / 7
    wanted = 0.7 * np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(gained, wanted, atol=1e-6)
    np.testing.assert_array_equal(labelled(x, [0, 0, 2], 2, 0.0), x)


# --- through the sampler --------------------------------------------------------------


class Moved(Toy):
    """A Gaussian toy whose estimate is moved by a variable, times z's own square."""

    def __init__(self, shift=0.3, image_shape=SHAPE, by=None):
        super().__init__(shift, image_shape)
        self.by = tf.Variable(0.2) if by is None else by

    def settings(self):
        return super().settings() | {"by": self.by}

    def denoised(self, z, level):
        return 0.5 * z + self.shifted(z) + self.by * tf.sin(z)


def flat(pictures):
    return tf.reshape(pictures, [-1, int(np.prod(pictures.shape[1:]))])


def objective_of(student, **changes):
    size = int(np.prod(student.image_shape))
    features = RNG.normal(size=(6, size)).astype(np.float32)
    labels = np.arange(6, dtype=np.int32) % 2
    joint = labelled(features, labels, student.num_classes, 1.0)
    reference = Reference(features, labels, float(self_similarity(joint, cubic)))
    made = MeanDiscrepancy(
        student=student,
        variables={},
        sampler=DDIM(),
        grid=student.schedule.grid(2, "trailing"),
        features=flat,
        reference=reference,
        kernel="cubic",
        label_weight=1.0,
        sampling=NONE,
        label_dropout=0.0,
    )
    return replace(made, **changes)


def loss_of(objective):
    draws = objective.draw(0, tf.constant(3), 4)
    x = tf.zeros([4, *objective.student.image_shape])
    return tf.reduce_mean(objective(x, LABELS, draws).total)


@pytest.mark.parametrize("sampler", [DDIM(), LCM()], ids=["ddim", "lcm"])
@pytest.mark.parametrize("thresholding", ["static", "dynamic"])
def test_what_is_compared_is_what_the_run_samples(sampler, thresholding):
    toy, sampling = GaussianToy(0.4), SamplingConfig(thresholding=thresholding)
    grid = toy.schedule.grid(3, "trailing")
    objective = objective_of(toy, sampler=sampler, grid=grid, sampling=sampling)
    keys = objective.draw(0, tf.constant(3), 4).keys
    found = objective.sampled(LABELS, keys)
    noise = [seeds.normal(keys[:, i], SHAPE) for i in range(3)]
    once = for_sampling(toy, LABELS, 1.0, sampling)
    wanted = sample(once, sampler, grid, RecordedNoise(tf.stack(noise)), SHAPE)
    np.testing.assert_allclose(found, tf.clip_by_value(wanted, -1, 1), atol=1e-6)


def test_gradients_through_two_steps_are_those_of_finite_differences():
    student = Moved()
    objective = objective_of(student)
    with tf.GradientTape() as tape:
        loss = loss_of(objective)
    slope = float(tape.gradient(loss, student.by))
    ends = []
    for by in (0.195, 0.205):
        student.by.assign(by)
        ends.append(float(loss_of(objective)))
    np.testing.assert_allclose(slope, (ends[1] - ends[0]) / 0.01, rtol=2e-2)
    assert abs(slope) > 1e-3


def adapted_student():
    """A small network with adapters, and what learns in it."""
    network = small_network()
    plan = lora_plan(network, 2)
    variables = list(plan_variables(plan).values())
    for variable in variables:
        variable.assign_add(0.1 * RNG.normal(size=variable.shape))
    return small_denoiser(network, plan, apart=False), variables


def moved_student():
    student = Moved()
    return student, [student.by]


@pytest.mark.parametrize(
    "make", [moved_student, pytest.param(adapted_student, marks=pytest.mark.slow)]
)
def test_steps_computed_again_give_the_same_gradients_bit_for_bit(make):
    student, variables = make()
    whole = objective_of(student)

    def gradients(objective):
        @tf.function(autograph=False)
        def differentiate():
            with tf.GradientTape() as tape:
                loss = loss_of(objective)
            none = tf.UnconnectedGradients.ZERO
            return tape.gradient(loss, variables, unconnected_gradients=none)

        return differentiate()

    plain, again = gradients(whole), gradients(replace(whole, recompute=True))
    assert sum(float(tf.reduce_sum(tf.abs(g))) for g in plain) > 0.0
    for a, b in zip(plain, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_that_guides_by_itself_is_evaluated_once_a_step():
    calls = []

    class Counting(GaussianToy):
        def denoised(self, z, level):
            calls.append(z.shape[0])
            return super().denoised(z, level)

    loss_of(objective_of(distilled(Counting(0.4), 2.0, ("ddim_trailing", 2))))
    assert calls == [4, 4]


# --- features -------------------------------------------------------------------------


def test_features_lie_on_the_datas_axes_with_a_mean_square_of_one():
    look = look_with(small_denoiser(apart=False))
    x = np.tanh(noisy(12).numpy())
    found = fit_features(look, x, 5)
    features = found["features"]
    assert features.shape == (12, 5)
    np.testing.assert_allclose(np.mean(features**2), 1.0, rtol=1e-5)
    products = features.T @ features
    off = products - np.diag(np.diag(products))
    np.testing.assert_allclose(off, 0.0, atol=1e-3)
    assert np.all(np.diff(np.diag(products)) <= 1e-3)
    extract = PrincipalFeatures(look, found["mean"], found["axes"])
    np.testing.assert_allclose(extract(tf.constant(x)), features, atol=1e-3)


def test_every_pixel_moves_them():
    look = look_with(small_denoiser(apart=False))
    x = tf.tanh(noisy(6))
    found = fit_features(look, x.numpy(), 5)
    extract = PrincipalFeatures(look, found["mean"], found["axes"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        seen = tf.reduce_sum(tf.sin(extract(x)))
    assert np.all(np.abs(tape.gradient(seen, x)) > 0.0)


def test_a_classifier_tells_classes_apart_and_its_features_do():
    rng, labels = np.random.default_rng(1), np.arange(64) % 2
    x = 0.5 * rng.normal(size=(64, 16, 16, 1)).astype(np.float32)
    x[:, :, 4:8] += np.where(labels, 0.7, -0.7)[:, None, None, None]
    weights = train_classifier(x, labels, 2, epochs=4, seed=0)
    again = train_classifier(x, labels, 2, epochs=4, seed=0)
    assert all(np.array_equal(weights[name], again[name]) for name in weights)
    features = fit_features(look_through(weights), x, 3)["features"]
    first = features[:, 0]
    assert abs(np.corrcoef(first, labels)[0, 1]) > 0.9
