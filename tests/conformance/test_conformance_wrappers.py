"""What every denoiser made of denoisers must do, alone and in every pair.

A new wrapper adds one line to `WRAPPERS`; a test refuses a class that has none.
"""

import importlib
import pkgutil
from itertools import permutations

import keras
import numpy as np
import pytest
import tensorflow as tf
from quick import cases
from tiny_models import SHAPE, Scaled, small_denoiser

import pdm_tf
from pdm_tf.acceleration.deepcache import DeepCached
from pdm_tf.acceleration.encoder_propagation import EncoderPropagated
from pdm_tf.acceleration.key_steps import EveryNth
from pdm_tf.adapters.lora import lora_plan
from pdm_tf.denoisers import (
    StatefulDenoiser,
    Wrapper,
    constrained,
    guided,
    split,
    thresholded,
)
from pdm_tf.denoisers.autoguidance import with_guide
from pdm_tf.denoisers.classifier_guidance import ClassDensity, classifier_guided
from pdm_tf.denoisers.damped import damped
from pdm_tf.denoisers.label_guidance import label_guided
from pdm_tf.networks.classifier import NoisyClassifier
from pdm_tf.samplers import DDIM, sample

LABELS = tf.constant([2, 0, 1])
OTHERS = tf.constant([1, 1, 3])


def spoilt(denoise):
    """The same networks, and a layer of them is not as it was."""
    plan = {"down_0_0/conv_in": Scaled(0.7)}
    return denoise.map_innermost(lambda n: n.with_plan(plan))


def classifier():
    """A classifier of three classes, its weights drawn at random."""
    keras.utils.set_random_seed(1)
    network = NoisyClassifier(SHAPE, 3, 4)
    for variable in network.variables:
        variable.assign(variable + 0.1)
    return network


def rising():
    """p of one of these classes."""
    return ClassDensity(classifier(), wanted=1)


WRAPPERS = {
    "Guided": lambda d: guided(d, LABELS, weight=2.0, threshold=None),
    "Thresholded": lambda d: thresholded(d),
    "Damped": lambda d: damped(d, 0.5),
    "Constrained": lambda d: constrained(d, lambda x: 0.5 * x),
    "WithGuide": lambda d: with_guide(d, spoilt(d)),
    "ClassifierGuided": lambda d: classifier_guided(d, rising(), 0.5),
    "LabelGuided": lambda d: label_guided(d, classifier(), 0.5, labels=LABELS),
    "Split": lambda d: split(d, d, snr=1.0),
}
# Stand around a network itself, whatever is wrapped around that.
CACHES = {
    "DeepCached": lambda d: d.map_innermost(lambda n: DeepCached(n, EveryNth(2))),
    "EncoderPropagated": lambda d: d.map_innermost(
        lambda n: EncoderPropagated(n, EveryNth(2))
    ),
}
ABSTRACT = {"Wrapper", "StatefulDenoiser", "CachedNetwork"}
# Of these a test elsewhere says what they keep: they look on, or stand for a method.
ELSEWHERE = {"_Counted", "_Recorded", "_Watched", "Distilled", "Consistent"}
ELSEWHERE |= {
    "Projected",
    "PosteriorMean",
    "Restoring",
    "Steering",
}  # of measurements; tests/inverse
ELSEWHERE |= {"EachGuided"}  # of models with conditions; tests/denoisers
ELSEWHERE |= {"EnergyGuided"}  # tests/editing
ROOMS = ("denoisers", "samplers", "acceleration", "adapters", "distillation")
ROOMS += ("inverse",)
SLOW = (pytest.mark.slow,)
ALONE = {name: (name,) for name in WRAPPERS | CACHES}
PAIRS = {
    f"{outer}({inner})": (inner, outer)
    for inner, outer in permutations(WRAPPERS, 2)
    if "Guided" not in (inner,) or outer != "Guided"
}
PAIRS |= {f"{name}(DeepCached)": (name, "DeepCached") for name in WRAPPERS}
WHOLE = {
    "all": ("Split", "Guided", "Thresholded", "Constrained", "Damped", "DeepCached"),
    "by a classifier": ("ClassifierGuided", "Guided"),
    "by labels": ("LabelGuided", "Guided"),
    "by a guide": ("WithGuide", "Guided"),
}

SAVED = {(WHOLE["all"], False)}

# What each says for itself is tried alone and with all at once; what it must pass on,
# in every pair.
SOME = {**ALONE, **WHOLE}.values()
EVERY = {**ALONE, **PAIRS, **WHOLE}.values()
# What takes seconds a case: all at once quickly, and the cache that is not among them.
QUICK = [*WHOLE.values(), ("EncoderPropagated",)]
some = pytest.mark.parametrize("names", SOME, ids=str)
every = pytest.mark.parametrize("names", cases(EVERY, QUICK))


def wrapped(denoise, names):
    for name in names:
        denoise = (WRAPPERS | CACHES)[name](denoise)
    return denoise


def noisy(seed=0):
    return tf.random.stateless_normal([3, *SHAPE], (1, seed))


def predicted(denoise, z, t=500):
    return denoise(z, denoise.schedule.level(t)).x.numpy()


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


@pytest.fixture
def restored(base):
    """The same, its variables as they were when the test ends."""
    values = {name: v.numpy() for name, v in base.variables.items()}
    yield base
    for name, variable in base.variables.items():
        variable.assign(values[name])


def subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_every_wrapper_of_the_package_stands_here():
    for module in pkgutil.walk_packages(pdm_tf.__path__, "pdm_tf."):
        if module.name.split(".")[1] in ROOMS:
            importlib.import_module(module.name)
    found = {
        cls.__name__
        for cls in subclasses(StatefulDenoiser)
        if cls.__module__.startswith("pdm_tf.")
    }
    assert found - ABSTRACT - ELSEWHERE == set(WRAPPERS | CACHES)
    assert set(WRAPPERS | CACHES) == {name for names in QUICK for name in names}


@every
def test_what_is_carried_keeps_its_structure(base, names):
    denoise, z = wrapped(base.conditioned(LABELS), names), noisy()
    level = denoise.schedule.level(500)
    first = denoise.init_carry(z)
    prediction, second = denoise.predict(z, level, first)
    _, third = denoise.predict(z, level, second)
    for carry in (second, third):
        tf.nest.assert_same_structure(first, carry)
        for old, new in zip(*(tf.nest.flatten(c) for c in (first, carry)), strict=True):
            assert old.shape == new.shape and old.dtype == new.dtype
            assert old.shape[0] == 3
    np.testing.assert_array_equal(prediction.x, denoise(z, level).x)


@some
def test_labels_given_from_outside_reach_the_network(base, names):
    denoise = wrapped(base.conditioned(LABELS), names)
    assert denoise.num_classes == 3 and denoise.image_shape == SHAPE
    z = noisy()
    again = denoise.conditioned(LABELS)
    other = denoise.conditioned(OTHERS)
    np.testing.assert_array_equal(predicted(again, z), predicted(denoise, z))
    assert np.abs(predicted(other, z) - predicted(denoise, z)).max() > 1e-4
    np.testing.assert_array_equal(
        predicted(other.conditioned(LABELS), z), predicted(denoise, z)
    )


@every
def test_constant_weights_are_really_constant(restored, names):
    denoise, z = wrapped(restored.conditioned(LABELS), names), noisy()
    constant = denoise.with_constant_weights()
    before = predicted(denoise, z)
    assert denoise.variables and not constant.variables
    np.testing.assert_allclose(predicted(constant, z), before, atol=2e-5)
    for variable in denoise.variables.values():  # the plan's among them
        variable.assign(variable * 1.7)
    np.testing.assert_allclose(predicted(constant, z), before, atol=2e-5)
    assert np.abs(predicted(denoise, z) - before).max() > 1e-3
    graph = tf.function(lambda z: constant(z, denoise.schedule.level(500)).x)
    assert not graph.get_concrete_function(noisy()).variables


@some
def test_a_change_of_the_innermost_reaches_it_and_nothing_else(base, names):
    denoise, z = wrapped(base.conditioned(LABELS), names), noisy()
    seen = []

    def keep(inner):
        seen.append(inner)
        return inner

    same = denoise.map_innermost(keep)
    assert {id(d.network) for d in seen} == {id(base.network)}
    assert type(same) is type(denoise)
    np.testing.assert_array_equal(predicted(same, z), predicted(denoise, z))


@some
def test_a_picture_does_not_depend_on_its_neighbours(base, names):
    z = noisy()
    denoise = wrapped(base.conditioned(LABELS), names)
    alone = denoise.conditioned(LABELS[1:2])
    np.testing.assert_allclose(
        predicted(alone, z[1:2])[0], predicted(denoise, z)[1], atol=1e-5
    )


@pytest.mark.parametrize(
    ("names", "constant"),
    [
        pytest.param(names, constant, marks=SLOW * ((names, constant) not in SAVED))
        for names in SOME
        for constant in (False, True)
    ],
)
def test_it_samples_from_a_saved_model(tmp_path, names, constant):
    denoise = wrapped(small_denoiser().conditioned(LABELS), names)
    wanted = sample(denoise, DDIM(), denoise.schedule.grid(3), [1, 2, 3], SHAPE)
    module = tf.Module()
    served = denoise.with_constant_weights() if constant else denoise
    module.held = dict(served.variables)
    module.draw = tf.function(
        lambda seeds, labels: sample(
            served.conditioned(labels),
            DDIM(),
            served.schedule.grid(3),
            seeds,
            SHAPE,
        ),
        input_signature=[tf.TensorSpec([None], tf.int32)] * 2,
        autograph=False,
    )
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(tmp_path), options=options)
    loaded = tf.saved_model.load(str(tmp_path))
    drawn = loaded.draw(tf.constant([1, 2, 3]), LABELS)
    np.testing.assert_allclose(drawn, wanted, atol=1e-4)


@pytest.mark.parametrize("names", cases(SOME, [WHOLE["all"]]))
def test_xla_computes_the_same(base, names):
    denoise, z = wrapped(base.conditioned(LABELS), names), noisy()
    level = denoise.schedule.level(500)
    compiled = tf.function(lambda z: denoise(z, level).x, jit_compile=True)
    np.testing.assert_allclose(compiled(z), predicted(denoise, z), atol=1e-4)


def test_a_wrapper_that_says_nothing_is_the_denoiser(base):
    class Silent(Wrapper):
        pass

    told, z = base.conditioned(LABELS), noisy()
    np.testing.assert_array_equal(predicted(Silent(told), z), predicted(told, z))
    assert dict(Silent(told).variables) == dict(told.variables)


@pytest.mark.slow
@pytest.mark.parametrize("names", ALONE.values(), ids=str)
def test_a_weight_of_guidance_that_is_an_input_reaches_the_network(names):
    inner = small_denoiser()
    plan = lora_plan(inner.network, rank=1, guidance=1.0)
    for change in plan.values():
        change.b.assign_add(0.1 * tf.ones_like(change.b))
    denoise = wrapped(inner.with_plan(plan), names)
    first, again, other = (
        predicted(denoise.at_guidance(w), noisy()) for w in (1.0, 1.0, 3.0)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
