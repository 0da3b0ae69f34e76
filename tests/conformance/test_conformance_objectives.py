"""What every objective must do, so that the one train loop can train it.

A new objective adds one line to `OBJECTIVES`; a test refuses a class that has none.
"""

import importlib
import inspect
import pkgutil
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import SHAPE, Scaled, small_denoiser, small_network

from pdm_tf import objectives
from pdm_tf.assemble.building import named_variables
from pdm_tf.config import SamplingConfig
from pdm_tf.config.augmenting import TRANSFORMS
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.denoisers.classifier_guidance import ClassDensity, classifier_guided
from pdm_tf.denoisers.distilled import Consistent
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.diffusion.flow import LinearFlow
from pdm_tf.inverse.operators.compressed import Compressed
from pdm_tf.inverse.restorer import Restorer, Restoring
from pdm_tf.networks.classifier import NoisyClassifier
from pdm_tf.networks.transforms import plan_variables
from pdm_tf.objectives import DenoisingObjective
from pdm_tf.objectives.augmented import AugmentedObjective
from pdm_tf.objectives.consistency import ConsistencyDistillation
from pdm_tf.objectives.feature_distillation import (
    FeatureDistillation,
    features_of,
    principal_axes,
)
from pdm_tf.objectives.guidance_distillation import GuidanceDistillation
from pdm_tf.objectives.mean_discrepancy import MeanDiscrepancy, Reference
from pdm_tf.objectives.noisy_classification import NoisyClassification
from pdm_tf.objectives.progressive import ProgressiveDistillation
from pdm_tf.objectives.reflow import FlowDistillation, Pairs, Reflow
from pdm_tf.objectives.restoration import Restoration
from pdm_tf.objectives.spectral_distillation import SpectralDistillation, at_scales
from pdm_tf.samplers import DDIM
from pdm_tf.training.accumulation import accumulated
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.optimizer import Adam
from pdm_tf.training.rates import LearningRate
from pdm_tf.training.train_step import Trainer

BATCH = 8
PATHS = ("down_0_0/conv_out", "middle_attention/qkv", "variance_in")


def inlined(plan=None):
    keras.utils.set_random_seed(0)
    base = small_denoiser()
    return NetworkDenoiser(base.network, base.schedule, apart=False, plan=plan)


def denoising():
    """All weights of a network learn."""
    denoise = inlined()
    variables = named_variables(denoise.network)
    objective = DenoisingObjective(denoise, variables, "sqrt_snr", 0.2, (0, 999))
    return objective, denoise


def augmented():
    """The same of augmented pictures, whose network is told."""
    keras.utils.set_random_seed(0)
    network = small_network(augment=0.5)
    denoise = NetworkDenoiser(network, NoiseSchedule.linear(), apart=False)
    variables = named_variables(network)
    objective = DenoisingObjective(denoise, variables, "sqrt_snr", 0.2, (0, 999))
    return AugmentedObjective(objective, 0.5, TRANSFORMS), denoise


def denoising_of_an_adapter():
    """The network stays, some transforms of its layers learn."""
    plan = {path: Scaled() for path in PATHS}
    denoise, variables = inlined(plan), plan_variables(plan)
    objective = DenoisingObjective(denoise, variables, "sqrt_snr", 0.2, (0, 999))
    return objective, denoise


def taught(plan):
    """What all objectives with a teacher are given; the student is its own network."""
    return {
        "teacher": inlined(),
        "variables": plan_variables(plan),
        "guidance": 2.0,
        "sampling": SamplingConfig(thresholding="static"),
        "label_dropout": 0.2,
    }


def guidance_distillation():
    """A student of the teacher's own network, some transforms of which learn."""
    plan = {path: Scaled() for path in PATHS}
    student = inlined(plan)
    objective = GuidanceDistillation(
        **taught(plan),
        student=student,
        weighting="sqrt_snr",
        t_range=(0, 999),
        trajectory_steps=2,
    )
    return objective, student


def consistency():
    """A student of the teacher's own network, some transforms of which learn."""
    plan = {path: Scaled() for path in PATHS}
    student = Consistent(inlined(plan))
    objective = ConsistencyDistillation(
        **taught(plan),
        student=student,
        solver_steps=10,
    )
    return objective, student


def feature_distillation():
    """A student of the network's own features, some transforms of which learn."""
    plan = {path: Scaled() for path in PATHS[:2]}
    teacher, student = inlined(), inlined(plan)
    z, level = tf.zeros([1, *SHAPE]), teacher.schedule.level(tf.constant([500]))
    _, features = features_of(teacher, z, level, tf.constant([0]))
    objective = FeatureDistillation(
        teacher=teacher,
        student=lambda done: student,
        variables=plan_variables(plan),
        axes=[principal_axes(feature.numpy()) for feature in features],
        strength=0.5,
        weighting="sqrt_snr",
        label_dropout=0.2,
        t_range=(0, 999),
        iterations=10,
    )
    return objective, student


def progressive():
    """A student of the teacher's own network, some transforms of which learn."""
    plan = {path: Scaled() for path in PATHS}
    student = inlined(plan)
    objective = ProgressiveDistillation(
        **taught(plan),
        student=student,
        steps=4,
    )
    return objective, student


def mean_discrepancy():
    """All steps of a sampler, some transforms of whose network learn."""
    plan = {path: Scaled() for path in PATHS[:2]}
    student, rng = inlined(plan), np.random.default_rng(0)
    features = rng.normal(size=(6, 64)).astype(np.float32)
    objective = MeanDiscrepancy(
        student=student,
        variables=plan_variables(plan),
        sampler=DDIM(),
        grid=student.schedule.grid(2, "trailing"),
        features=lambda pictures: tf.reshape(pictures, [-1, 64]),
        reference=Reference(features, np.arange(6, dtype=np.int32) % 3, 1.0),
        kernel="cubic",
        label_weight=1.0,
        sampling=SamplingConfig(thresholding="none"),
        label_dropout=0.2,
    )
    return objective, student


def spectral_distillation():
    """A student of the teacher's own features, some transforms and aligners of which
    learn."""
    plan = {path: Scaled() for path in PATHS}
    teacher, student = inlined(), inlined(plan)
    z, level = tf.zeros([1, *SHAPE]), teacher.schedule.level(tf.constant([500]))
    _, features = features_of(teacher, z, level, tf.constant([0]))
    aligners = [tf.Variable(0.9 * tf.eye(f.shape[-1])) for f in at_scales(features)]
    named = {f"aligner.{i}": kernel for i, kernel in enumerate(aligners)}
    objective = SpectralDistillation(
        teacher=teacher,
        student=student,
        variables=plan_variables(plan) | named,
        aligners=aligners,
        spatial=0.5,
        frequency=0.5,
        power=-1.0,
        weighting="sqrt_snr",
        label_dropout=0.2,
        t_range=(0, 999),
    )
    return objective, student


def straight(plan):
    """A denoiser on the linear process, and pairs of noise and picture."""
    base, rng = inlined(), np.random.default_rng(0)
    student = NetworkDenoiser(base.network, LinearFlow.of(), apart=False, plan=plan)
    x0, x1 = rng.normal(size=(2, 5, *SHAPE)).astype(np.float32)
    return student, Pairs(x0, x1, np.arange(5, dtype=np.int32) % 4)


def reflow():
    """Some transforms of a network learn straight ways."""
    plan = {path: Scaled() for path in PATHS[:2]}
    student, pairs = straight(plan)
    return Reflow(student, plan_variables(plan), pairs, 0.5, 20, True), student


def flow_distillation():
    """Some transforms of a network learn to go a straight way in one step."""
    plan = {path: Scaled() for path in PATHS[:2]}
    student, pairs = straight(plan)
    teacher = NetworkDenoiser(student.network, student.schedule, apart=False)
    learnt = plan_variables(plan)
    return FlowDistillation(teacher, student, learnt, pairs, 20, True), student


def noisy_classification():
    """A classifier of noisy pictures of its own."""
    keras.utils.set_random_seed(0)
    # Of groups of one channel the bias before would be normalised away.
    network, base = NoisyClassifier(SHAPE, 3, 36), inlined()
    rng = np.random.default_rng(1)
    for variable in network.variables:
        variable.assign(variable + 0.1 * rng.normal(size=variable.shape))
    density = ClassDensity(network, wanted=2)
    given = pictures_of_three_classes()
    objective = NoisyClassification(network, density.variables, base.schedule, *given)
    return objective, classifier_guided(base, density)


def pictures_of_three_classes():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (12, *SHAPE), np.uint8)
    return pictures, np.arange(12, dtype=np.int32) % 3


def restoration():
    """All weights of a network learn to restore measurements with noise."""
    base = inlined()
    restorer = Restorer(base, Compressed(SHAPE, 0.25, 0), [400, 200])
    objective = Restoration(
        restorer.operator.forward, restorer, restorer.learnt, sigma=0.1
    )
    return objective, Restoring(base, restorer)


# Each returns a fresh objective, and a denoiser that holds all variables it reads.
OBJECTIVES = {
    "DenoisingObjective": denoising,
    "DenoisingObjective of an adapter": denoising_of_an_adapter,
    "AugmentedObjective": augmented,
    "GuidanceDistillation": guidance_distillation,
    "ConsistencyDistillation": consistency,
    "FeatureDistillation": feature_distillation,
    "ProgressiveDistillation": progressive,
    "MeanDiscrepancy": mean_discrepancy,
    "SpectralDistillation": spectral_distillation,
    "Reflow": reflow,
    "FlowDistillation": flow_distillation,
    "NoisyClassification": noisy_classification,
    "Restoration": restoration,
}
OF_BATCH = {"MeanDiscrepancy"}  # whose loss is one of the whole batch

every = pytest.mark.parametrize("make", OBJECTIVES.values(), ids=OBJECTIVES)
# Steps are dear; of those that move transforms alone, some are quick.
# Steps are dear: of all weights, of an adapter beside a teacher, of another network.
QUICK = {"DenoisingObjective", "GuidanceDistillation", "NoisyClassification"}


def some(quick):
    """All objectives, those of these names in the quick set."""
    marked = [
        pytest.param(make, marks=[pytest.mark.slow] * (name not in quick))
        for name, make in OBJECTIVES.items()
    ]
    return pytest.mark.parametrize("make", marked, ids=OBJECTIVES)


def pictures():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (BATCH, *SHAPE), np.uint8)
    return tf.constant(x), tf.range(BATCH) % 3


def floats():
    x, labels = pictures()
    return tf.cast(x, tf.float32) / 127.5 - 1.0, labels


def loss_of(objective, step=5):
    return objective(*floats(), objective.draw(0, tf.constant(step), BATCH))


def trainer_of(objective, microbatch=0, remat=False):
    variables, step = objective.variables, tf.Variable(0, dtype=tf.int64)
    adam = Adam(variables, LearningRate(1e-2, 0))
    average = MovingAverage(variables, every=1)
    device = tf.distribute.get_strategy()
    settings = {"microbatch": microbatch, "remat": remat}
    return Trainer(device, objective, adam, average, step, BATCH, 0, **settings)


@cache
def trained(make, **settings):
    """Metrics and values of all variables after a step, those that learn apart."""
    objective, denoise = make()
    trainer = trainer_of(objective, **settings)
    metrics = trainer.run_steps(
        iter(tf.data.Dataset.from_tensors(pictures()).repeat()), tf.constant(1)
    )
    learnt = {name: v.numpy() for name, v in objective.variables.items()}
    own = {id(v) for v in objective.variables.values()}
    rest = denoise.variables.items()
    return metrics, learnt, {n: v.numpy() for n, v in rest if id(v) not in own}


def test_every_objective_of_the_package_stands_here():
    found = set()
    for module in pkgutil.iter_modules(objectives.__path__, "pdm_tf.objectives."):
        classes = inspect.getmembers(
            importlib.import_module(module.name), inspect.isclass
        )
        found |= {name for name, cls in classes if hasattr(cls, "buckets")}
    assert found == {name.partition(" ")[0] for name in OBJECTIVES}


@every
def test_draws_are_rows_and_a_function_of_seed_and_step(make):
    objective, _ = make()
    draws = [
        objective.draw(seed, tf.constant(step), BATCH)
        for seed, step in [(0, 5), (0, 5), (0, 6), (1, 5)]
    ]
    flat = [tf.nest.flatten(draw) for draw in draws]
    for first, again in zip(*flat[:2], strict=True):
        assert first.shape[0] == BATCH
        np.testing.assert_array_equal(first, again)
    for other in flat[2:]:
        assert any((a != b).numpy().any() for a, b in zip(flat[0], other, strict=True))


@every
def test_losses_have_the_form_that_is_recorded(make):
    objective, _ = make()
    loss = loss_of(objective)
    assert tuple(loss.terms) == tuple(objective.terms)
    for value in (loss.total, *loss.terms.values()):
        assert value.shape == [BATCH] and value.dtype == tf.float32
        assert np.isfinite(value).all()
    assert loss.bucket.shape == [BATCH] and loss.bucket.dtype == tf.int32
    assert np.min(loss.bucket) >= 0 and np.max(loss.bucket) < objective.buckets


@pytest.mark.parametrize(
    "make", [make for name, make in OBJECTIVES.items() if name not in OF_BATCH]
)
def test_losses_of_an_example_do_not_depend_on_its_batch(make):
    objective, _ = make()
    draws, (x, labels) = objective.draw(0, tf.constant(5), BATCH), floats()
    whole = loss_of(objective)
    rest = tf.nest.map_structure(lambda d: d[4:], draws)
    half = objective(x[4:], labels[4:], rest)
    np.testing.assert_allclose(half.total, whole.total[4:], rtol=1e-3, atol=1e-6)


@every
def test_calling_it_changes_no_variable(make):
    objective, denoise = make()
    before = {name: v.numpy() for name, v in denoise.variables.items()}
    loss_of(objective)
    for name, variable in denoise.variables.items():
        np.testing.assert_array_equal(variable.numpy(), before[name])


@some(quick=QUICK)
def test_all_of_its_variables_learn_and_no_other(make):
    objective, denoise = make()
    own = {id(v) for v in objective.variables.values()}
    before = {name: v.numpy() for name, v in objective.variables.items()}
    rest = denoise.variables.items()
    still = {name: v.numpy() for name, v in rest if id(v) not in own}
    _, learnt, others = trained(make)
    moved = [np.abs(learnt[name] - value).max() > 0 for name, value in before.items()]
    assert all(moved), [name for name, m in zip(before, moved, strict=True) if not m]
    assert others.keys() == still.keys()
    for name, value in others.items():
        np.testing.assert_array_equal(value, still[name], err_msg=name)


@some(quick={"GuidanceDistillation"})
def test_parts_of_a_batch_and_blocks_computed_again_teach_the_same(make):
    metrics, learnt, _ = trained(make)
    parts = 0 if make in map(OBJECTIVES.get, OF_BATCH) else 4
    others, again, _ = trained(make, microbatch=parts, remat=True)
    for name, value in metrics.terms.items():
        np.testing.assert_allclose(value, others.terms[name], rtol=1e-4)
    # Adam's first step is the sign of the gradient: compare where it is not rounding.
    off = [np.abs(learnt[n] - again[n]) > 1e-3 for n in learnt]
    assert sum(map(np.sum, off)) <= 0.002 * sum(map(np.size, off))


def test_losses_of_parts_are_put_together_in_their_nest():
    """Of one part each the losses and the sum of gradients are the whole batch's."""
    x = tf.range(6, dtype=tf.float32)
    w = tf.Variable(2.0)

    def differentiate(x):
        return {"a": w * x, "b": (x, tf.cast(x, tf.int32))}, [tf.reduce_sum(x)]

    kinds = {"a": tf.float32, "b": (tf.float32, tf.int32)}
    whole = accumulated(differentiate, (x,), 1, [w], kinds)
    parts = accumulated(differentiate, (x,), 3, [w], kinds)
    tf.nest.assert_same_structure(whole, parts)
    for a, b in zip(*map(tf.nest.flatten, (whole, parts)), strict=True):
        np.testing.assert_array_equal(a, b)
