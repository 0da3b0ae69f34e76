"""QuEST: some layers of a quantised network learn again, and ranges by timesteps."""

import re
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.config import Config, InputError
from pdm_tf.config.quantization import QuESTConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.networks.transforms import layers_of
from pdm_tf.quantization import quest
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import Fitting, plan_of
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.packing import unpack
from pdm_tf.quantization.rounding import round_to_nearest
from pdm_tf.quantization.spec import LayerSpec, NumberFormat, spec_of
from pdm_tf.quantization.trained_layer import TrainedLayer

RNG = np.random.default_rng(0)
CONFIG = QuESTConfig(
    outer_bits=4, step_groups=4, iterations=0, tuning_iterations=3, batch_size=8
)
SOME = "patches_out|down_0_0/(time|conv_in)|middle_attention|up_0_1/skip"


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


@pytest.fixture(scope="module")
def rows():
    z = RNG.normal(size=(24, 8, 8, 1)).astype(np.float32)
    t = (np.arange(24) * 1000 // 24).astype(np.int32)
    return Rows(z, t, RNG.integers(4, size=24).astype(np.int32))


def fitting_of(base, rows, config=CONFIG, some=SOME):
    inner = LayerSpec(split=config.split, steps=config.step_groups)
    tuned = "|".join(quest.STAGES[stage] for stage in quest.stages_of(config))
    whole = plan_of(base, spec_of(config, inner=inner).shifted(tuned))
    plan = {p: layer for p, layer in whole.items() if re.match(some, p)}
    return Fitting(base, plan, rows, "n", Context(Config(), lambda: None))


def values_of(fitting):
    return {
        f"{path}:{name}": variable.numpy()
        for path, layer in fitting.plan.items()
        for name, variable in layer.variables.items()
    }


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("time", "both")]


@pytest.mark.parametrize("tuned", ["attention", *SLOW])
def test_what_changes_is_what_was_selected(base, rows, tuned):
    config = replace(CONFIG, tuned=tuned, tuning_rate=1.0, bias_rate=0.1)
    start, fitting = fitting_of(base, rows, config), fitting_of(base, rows, config)
    fit_nearest(start, "mse")
    quest.fit(fitting, config)
    before, after = values_of(start), values_of(fitting)
    changed = {name for name in before if (before[name] != after[name]).any()}
    stages = "|".join(quest.STAGES[stage] for stage in quest.stages_of(config))
    for name in before:
        path, _, kind = name.rpartition(":")
        selected = bool(re.fullmatch(stages, path))
        if kind in ("codes", "shift"):
            assert (name in changed) == selected, name
        elif kind in ("scale", "zero"):
            assert name not in changed
        elif tuned == "time":
            assert selected or name not in changed, name
    assert any(name.endswith(":high") for name in changed)


@pytest.mark.parametrize("tuned", ["attention", "both"])
def test_without_steps_it_is_where_it_started(base, rows, tuned):
    config = replace(CONFIG, tuning_iterations=0, tuned=tuned)
    start, fitting = fitting_of(base, rows, config), fitting_of(base, rows, config)
    fit_nearest(start, "mse")
    quest.fit(fitting, config)
    before = values_of(start)
    for name, value in values_of(fitting).items():
        np.testing.assert_array_equal(value, before[name], name)


@pytest.mark.parametrize("seam", [0, 2])
def test_codes_that_learned_to_round_otherwise_are_kept(seam):
    shape = (3, 3, 4, 3)
    kernel = RNG.normal(size=shape).astype(np.float32)
    layer = QuantizedLayer(shape, LayerSpec(NumberFormat(4)), seam)
    round_to_nearest(layer, kernel, "mse")
    codes = unpack(layer.codes, 4, kernel.size).numpy().reshape(shape)
    other = np.clip(codes + RNG.integers(-1, 2, size=shape), 0, 15)
    layer.set_weights(other, layer.scale.numpy(), layer.zero.numpy())
    start = quest.within_codes(layer, kernel)
    trained = TrainedLayer(layer, start, quest.Moved(shape))
    w = tf.zeros(shape)
    np.testing.assert_array_equal(trained.kernel(w), layer.kernel(w))
    same = other == codes  # nothing had to move but where clipping held it
    inside = same & (codes > 0) & (codes < 15)
    step = layer.scale.numpy().max()
    assert np.abs(start - kernel)[inside].max() < 0.011 * step


def test_one_group_is_a_static_quantiser(base, rows):
    one = fitting_of(base, rows, replace(CONFIG, step_groups=1))
    fit_nearest(one, "mse")
    for path, layer in one.plan.items():
        assert layer.step_of is None and layer.low.shape[0] == 1
        channels = layer.shape[-2] if layer.shape else 8
        x = tf.constant(RNG.normal(size=(500, channels)).astype(np.float32))
        t = tf.constant(RNG.integers(1000, size=500).astype(np.int32))
        off = np.abs(TrainedLayer(layer).inputs(x, t) - layer.inputs(x, t))
        # Halfway between two codes either may be taken.
        assert (off > 1e-5).mean() < 1e-3, path


def test_parameters_that_learn_are_counted_once(base):
    counts = {}
    for tuned in ("attention", "time", "both"):
        config = replace(CONFIG, tuned=tuned)
        fitting = fitting_of(base, None, config, some="")
        counts[tuned] = quest.tuned_parameters(fitting.plan, config)
    layers = layers_of(base.network)
    blocks = [layer for path, layer in layers.items() if re.fullmatch(r".+/time", path)]
    weights = sum(layer.kernel.shape.num_elements() for layer in blocks)
    biases = sum(layer.kernel.shape[-1] for layer in blocks)
    ends = 2 * CONFIG.step_groups * len(blocks)
    assert counts["time"] == weights + biases + ends
    assert counts["both"] == counts["attention"] + counts["time"]


def test_groups_without_a_step_of_calibration_are_refused(base):
    with pytest.raises(InputError, match="step_groups"):
        quest.derive(base, QuESTConfig(step_groups=21), None)
