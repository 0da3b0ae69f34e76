"""EDA-DM: evaluations allotted to steps, and blocks that learn with their layers."""

import re

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.config import Config, InputError
from pdm_tf.config.quantization import EDADMConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.quantization import eda_dm
from pdm_tf.quantization.blocks import blocks_of, compute_block
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import Fitting, plan_of
from pdm_tf.quantization.fine_grained import (
    inner_of,
    layer_distance,
    read_both,
    reconstruct_finely,
)
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.reconstruction import Recipe, distance, train, values_of
from pdm_tf.quantization.spec import spec_of

RNG = np.random.default_rng(0)
CONFIG = EDADMConfig(weight_bits=3, outer_bits=3, iterations=60, batch_size=8)


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


@pytest.fixture(scope="module")
def rows():
    z = RNG.normal(size=(24, 8, 8, 1)).astype(np.float32)
    t = np.repeat([0, 500, 999], 8).astype(np.int32)
    return Rows(z, t, RNG.integers(4, size=24).astype(np.int32))


def fitting_of(base, rows, **context):
    """Of one block, which stands for all."""
    plan = plan_of(base, spec_of(CONFIG))
    some = {p: layer for p, layer in plan.items() if p.startswith("middle_0/")}
    fitting = Fitting(base, some, rows, "n", Context(Config(), lambda: None, **context))
    fit_nearest(fitting, "mse")
    return fitting


# --- evaluations of each step ---------------------------------------------------------


@pytest.mark.parametrize("count", [3, 17, 256])
def test_as_many_evaluations_as_wanted_and_none_negative(count):
    features = RNG.normal(size=(9, 4, 6, 5)) * np.arange(1, 10)[:, None, None, None]
    found = eda_dm.allot(features, count, 1.2)
    assert found.sum() == count and (found >= 0).all()


def test_rounding_up_everywhere_takes_from_the_last_steps(monkeypatch):
    monkeypatch.setattr(eda_dm, "_scaled", lambda values: np.ones(len(values)))
    found = eda_dm.allot(np.zeros((10, 1, 1, 2)), 6, 0.0)
    assert found.tolist() == [1] * 6 + [0] * 4


def test_features_that_do_not_change_are_allotted_evenly():
    features = np.tile(RNG.normal(size=(1, 2, 3, 4)), (5, 1, 1, 1))
    assert eda_dm.allot(features, 20, 1.2).tolist() == [4] * 5


def test_three_steps_by_hand():
    # One picture, one position, two channels: mean squared differences of steps are
    # (0, 1) 0.5, (0, 2) 2 and (1, 2) 2.5; within 1 the densities are 1, 1, 0.
    features = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])[:, None, None]
    # 1 - cosine is 1 - √½ of (0, 1), 2 of (0, 2) and 1 + √½ of (1, 2).
    near, half = 1 - 0.5**0.5, 1 + 0.5**0.5
    turned = np.array([near + 2, near + half, 2 + half])
    scaled = (turned - turned.min()) / np.ptp(turned)
    weights = np.array([1, 1, 0]) + 1.2 * scaled
    wanted = np.round(1000 * weights / weights.sum())
    found = eda_dm.allot(features, 1000, 1.2, radius=1.0)
    np.testing.assert_allclose(found, wanted, atol=1)


def test_the_scale_of_features_does_not_matter():
    features = RNG.normal(size=(7, 3, 4, 5)) + RNG.normal(size=(7, 1, 1, 5))
    first = eda_dm.allot(features, 99, 1.2)
    np.testing.assert_array_equal(eda_dm.allot(40 * features, 99, 1.2), first)
    assert len(set(first)) > 1


def test_rows_are_drawn_as_allotted_and_again_only_when_all_were(rows):
    found = eda_dm.draw_rows(rows, np.array([3, 0, 12]), seed=1)
    assert [(found.t == t).sum() for t in (999, 500, 0)] == [3, 0, 12]
    drawn = found.z[found.t == 0]
    assert len(np.unique(drawn, axis=0)) == 8


# --- blocks and their layers ----------------------------------------------------------


def test_without_quantisation_no_layer_errs(base, rows):
    fitting = fitting_of(base, rows)
    block = next(b for b in blocks_of(base.network) if b.name == "middle_0")
    data = read_both(fitting, {}, block)
    layers = ["middle_0/conv_in", "middle_0/conv_out"]
    plain = dict.fromkeys(layers, base.plan["down_0_0/conv_in"].__class__(1.0))
    both = layer_distance(block, base.plan, plain, layers, data, data.given())
    np.testing.assert_allclose(both, [0, 0], atol=1e-6)


def test_layers_errors_are_those_of_each_layer_beside_the_blocks(base, rows):
    fitting = fitting_of(base, rows)
    block = next(b for b in blocks_of(base.network) if b.name == "middle_0")
    data, plan = read_both(fitting, fitting.plan, block), fitting.plan
    own = {p: plan[p] for p in plan if p.startswith("middle_0/")}
    layers = ["middle_0/conv_in"]
    whole, inner = layer_distance(block, base.plan, own, layers, data, data.given())
    made = compute_block(block, base.plan, own, data.given())
    assert float(whole) == pytest.approx(float(distance(made, data.output)), rel=1e-5)
    more = layer_distance(
        block, base.plan, own, [*layers, "middle_0/time"], data, data.given()
    )[1]
    assert 0 < float(inner) < float(more)


def test_the_last_layers_error_is_the_blocks():
    paths = ["up/skip", "up/gate", "up/conv_out", "up/time", "up/conv_in"]
    assert inner_of(paths) == paths[1:]
    assert inner_of(paths[1:]) == ["up/gate", "up/time", "up/conv_in"]
    assert inner_of(["a/out", "a/qkv"]) == ["a/qkv"]
    assert inner_of(["down/conv"]) == []


@pytest.mark.parametrize("annealed", [False, True])
def test_rates_fall_to_0_as_a_cosine(rows, annealed):
    # Adam moves by its rate where the slope is always the same.
    moved, recipe = tf.Variable(0.0), Recipe(8, 0, 4, 0.1, 0.0, annealed=annealed)
    train(lambda *_: -moved, [moved], rows, recipe, 8, 0.1)
    shares = 0.5 + 0.5 * np.cos(np.pi * np.arange(8) / 8) if annealed else np.ones(8)
    assert float(moved) == pytest.approx(0.1 * shares.sum(), rel=1e-4)


@pytest.fixture(scope="module")
def learned(base, rows):
    """Values and notes of two weights of layers' errors; and values before."""
    found, notes = {}, []
    for weight in (0.0, 50.0):
        fitting = fitting_of(base, rows, note=notes.append)
        before = values_of(fitting.plan)
        reconstruct_finely(fitting, eda_dm.recipe_of(CONFIG), weight)
        found[weight] = values_of(fitting.plan)
    return found, before, notes


def test_blocks_learn_codes_and_ranges_at_once(learned):
    found, before, notes = learned
    first, last = map(float, re.search(r"error (.*) -> (.*);", notes[0]).groups())
    assert last < first
    changed = {n for n in before if (before[n] != found[0.0][n]).any()}
    assert {n.rpartition(":")[2] for n in changed} >= {"codes", "high"}
    assert not any(n.endswith((":scale", ":zero")) for n in changed)


def test_the_layers_errors_count(learned):
    without, much = learned[0].values()
    assert any((without[name] != much[name]).any() for name in without)


@pytest.mark.parametrize("name", ["iterations", "batch_size", "evaluations"])
def test_a_training_that_cannot_be_is_refused(base, name):
    with pytest.raises(InputError, match=name):
        eda_dm.derive(base, EDADMConfig(**{name: -1}), None)
