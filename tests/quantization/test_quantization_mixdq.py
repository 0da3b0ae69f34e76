"""MixDQ: an integer program gives layers their bits, within a budget."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.config import Config, InputError
from pdm_tf.config.quantization import FLOAT, MixDQConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.networks.transforms import layers_of
from pdm_tf.quantization import mixdq
from pdm_tf.quantization.allocation import Group, allocate, left_float, split_budget
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.cost import plan_bits
from pdm_tf.quantization.mixed_bits import content_of, find_weight_bits
from pdm_tf.quantization.observing import call_eagerly
from pdm_tf.quantization.trials import Trials
from pdm_tf.quantization.uniform import fake_quantized

RNG = np.random.default_rng(0)
CHOICES = (2, 4, 8)
SIZES = np.array([144, 288, 576, 32, 1152, 16])
QUICK = MixDQConfig(
    calibration_images=2,
    calibration_steps=3,
    weight_choices=CHOICES,
    sensitivity_rows=4,
    sensitivity_images=2,
    sensitivity_steps=2,
    budget_splits=(0.7, 1.0),
    float_share=0.1,
)


def costs_of(sizes):
    return sizes[:, None] * np.array(CHOICES)


# --- the integer program --------------------------------------------------------------


@pytest.mark.parametrize("mean", [3, 5, 7])
@pytest.mark.parametrize("exact", [True, False])
def test_the_program_finds_what_trying_all_ways_finds(mean, exact):
    scores = np.sort(RNG.normal(size=(6, 3)), axis=1)
    costs, budget = costs_of(SIZES), mean * int(SIZES.sum())
    ways = np.array(list(product(range(3), repeat=6)))
    spent = costs[np.arange(6), ways].sum(axis=1)
    value = scores[np.arange(6), ways].sum(axis=1)
    found = allocate(scores, costs, budget, exact)
    own = costs[np.arange(6), found].sum()
    met = spent == budget
    allowed = met if exact and met.any() else spent <= budget
    if exact and not met.any():  # as near as the narrowest band that has a way
        bands = [
            b for b in (0.001, 0.01, 0.02) if (spent[allowed] >= (1 - b) * budget).any()
        ]
        allowed &= spent >= (1 - bands[0]) * budget
    assert own <= budget
    assert scores[np.arange(6), found].sum() == pytest.approx(value[allowed].max())


def test_the_budget_is_met_exactly_where_it_can_be_and_never_exceeded():
    scores = np.sort(RNG.normal(size=(6, 3)), axis=1)
    for mean in (3, 4, 6):
        budget = mean * int(SIZES.sum())
        found = allocate(scores, costs_of(SIZES), budget)
        spent = int(costs_of(SIZES)[np.arange(6), found].sum())
        assert 0.98 * budget <= spent <= budget
    even = np.full(6, 64)  # of which half at 4 and half at 8 are 6 in the mean
    found = allocate(scores, costs_of(even), 6 * 6 * 64)
    assert costs_of(even)[np.arange(6), found].sum() == 6 * 6 * 64


def test_a_uniform_choice_within_the_budget_is_never_better():
    scores = np.sort(RNG.normal(size=(6, 3)), axis=1)
    found = allocate(scores, costs_of(SIZES), 4 * int(SIZES.sum()))
    assert scores[np.arange(6), found].sum() >= scores[:, 1].sum()


def test_equal_scores_make_any_way_as_good():
    found = allocate(np.ones((6, 3)), costs_of(SIZES), 4 * int(SIZES.sum()))
    assert costs_of(SIZES)[np.arange(6), found].sum() <= 4 * SIZES.sum()


def test_a_budget_below_the_fewest_bits_has_no_way():
    assert allocate(np.ones((6, 3)), costs_of(SIZES), int(SIZES.sum())) is None


def group_of(names, sizes):
    scores = np.sort(RNG.normal(size=(len(sizes), 3)), axis=1)
    return Group(list(names), np.array(sizes), scores)


@pytest.mark.parametrize("k", [0.1, 0.5, 1.0, 2.0])
def test_a_budget_that_is_split_is_met_by_both_together(k):
    content, rest = group_of("abc", [64, 128, 64]), group_of("def", [32, 64, 32])
    found = split_budget(CHOICES, 4, k, content, rest)
    assert content.bits(found) + rest.bits(found) == 4 * (256 + 128)
    means = content.bits(found) / 256, rest.bits(found) / 128
    assert (means[0] < means[1]) == (k < 1) or k == 1


def test_what_suffers_most_stays_float_within_its_share():
    noise, work = np.array([5.0, 1.0, 4.0, 0.0]), [60, 10, 30, 1]
    assert left_float("abcd", noise, work, 0.45) == ["b", "c"]
    assert left_float("abcd", noise, work, 1.0) == ["a", "b", "c"]  # d suffers nothing
    assert left_float("abcd", noise, work, 0.0) == []


def test_content_is_attention_the_middle_and_the_deepest_level():
    paths = [
        "down_0_0/conv_in",
        "down_0_0_attention/qkv",
        "down_1_0/skip",
        "middle_0/time",
    ]
    assert content_of(paths) == set(paths[1:])
    assert content_of(["down_0_0/conv_in"]) == set()  # one level: the finest


# --- trials ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


@pytest.fixture(scope="module")
def trials(base):
    z = RNG.normal(size=(6, 8, 8, 1)).astype(np.float32)
    rows = Rows(z, RNG.integers(1000, size=6).astype(np.int32), np.zeros(6, np.int32))

    def drawing(tried):
        batch = next(rows.batches(6))
        return lambda: call_eagerly(tried, batch, {})[0].numpy()

    return Trials(base, rows, drawing)


def test_nothing_is_changed_before_a_trial_and_after_it(trials):
    path = "middle_0/conv_in"
    assert trials.noise() == 0.0 and trials.similarity() == pytest.approx(1.0)
    trials.layers[path].weights.assign(0 * trials.layers[path].weights)
    trials.layers[path].round_inputs(-1.0, 1.0, 2)
    assert trials.noise() > 0 and trials.similarity() < 1
    trials.reset()
    assert trials.noise() == trials.picture_noise() == 0.0


def test_a_trial_rounds_what_a_quantised_layer_rounds(trials):
    layer = trials.layers["middle_0/conv_in"]
    x = tf.constant(RNG.normal(size=(5, 7)), tf.float32)
    layer.round_inputs(-1.5, 2.0, 4)
    wanted = fake_quantized(x, tf.constant(-1.5), tf.constant(2.0), 4)
    np.testing.assert_allclose(layer.inputs(x, None), wanted, atol=1e-6)
    layer.reset()


# --- the method -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept():
    """What a derivation has found so far."""
    return {}


@pytest.fixture(scope="module")
def made(base, kept):
    context = Context(Config(), lambda: None, keep=kept.__setitem__, kept=kept.get)
    return mixdq.derive(base, QUICK, context)


def test_the_mean_is_what_was_asked_for(made, base):
    found = made.facts["network_0"]["weights"]
    layers = layers_of(base.network)
    sizes = {path: layer.kernel.numpy().size for path, layer in layers.items()}
    spent, whole = (
        sum(factor * sizes[path] for path, factor in given.items())
        for given in (found, dict.fromkeys(found, 5))
    )
    assert 0.98 * whole <= spent <= whole and set(found.values()) <= set(CHOICES)


def test_layers_have_the_bits_that_were_found(made):
    found, bits = made.facts["network_0"], plan_bits(made.denoiser.plan)
    for path, wanted in found["weights"].items():
        assert bits[path] == (wanted, found["activations"][path])
    left = mixdq.float_layers(made.facts)
    assert left and all(bits[path.replace("\\", "")][1] == FLOAT for path in left)


def test_what_was_found_says_which_variables_a_stored_model_has(made, base):
    found = json.loads(json.dumps(dict(made.facts)))
    context = Context(Config(), None, restoring=True, facts=found)
    again = mixdq.derive(base, QUICK, context).denoiser.variables
    for name, variable in made.denoiser.variables.items():
        assert again[name].shape == variable.shape, name


def test_a_stopped_command_measures_no_layer_twice(made, base, kept):
    lines = []
    assert sum(name.startswith("network_0.") for name in kept) > 10
    context = Context(Config(), None, note=lines.append, kept=kept.get)
    assert mixdq.derive(base, QUICK, context).facts == made.facts
    assert lines and not any("left" in line for line in lines)


def test_as_many_bits_as_the_most_are_uniform_without_a_measurement(trials):
    config = replace(QUICK, weight_bits=8)
    found = find_weight_bits(trials, None, config)
    assert set(found.values()) == {8} and "patches_in" not in found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight_choices", (1, 8)),
        ("activation_choices", ()),
        ("weight_bits", 1),
        ("activation_bits", 3),
        ("budget_splits", (0.0,)),
    ],
)
def test_what_there_cannot_be_is_refused(base, name, value):
    with pytest.raises(InputError, match=name):
        mixdq.derive(base, replace(QUICK, **{name: value}), None)
