"""EfficientDM: adapters within the rounding, and ranges of each group of timesteps."""

import re
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.adapters.lora import Lora
from pdm_tf.config import Config, InputError
from pdm_tf.config.quantization import EfficientDMConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.quantization import efficientdm
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import Fitting, plan_of
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.observing import call_eagerly
from pdm_tf.quantization.rounding import round_to_nearest
from pdm_tf.quantization.spec import LayerSpec, NumberFormat, spec_of
from pdm_tf.quantization.trained_layer import TrainedLayer
from pdm_tf.quantization.tuning import (
    Tuning,
    errors,
    share_of_error,
    teach,
    tune,
    visible_error,
)

RNG = np.random.default_rng(0)
GROUPS = 4
CONFIG = EfficientDMConfig(
    outer_bits=4, step_groups=GROUPS, iterations=6, batch_size=8, rank=2
)
SOME = "patches_in|middle_attention"  # stands for all layers
HOW = Tuning(6, 8, 10.0, keep_every=2)


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


@pytest.fixture(scope="module")
def rows():
    z = RNG.normal(size=(24, 8, 8, 1)).astype(np.float32)
    t = (np.arange(24) * 1000 // 24).astype(np.int32)
    return Rows(z, t, RNG.integers(4, size=24).astype(np.int32))


def fitting_of(base, rows, config=CONFIG, some=SOME, **context):
    spec = spec_of(config, inner=LayerSpec(steps=config.step_groups))
    plan = {p: x for p, x in plan_of(base, spec).items() if re.match(some, p)}
    fitting = Fitting(base, plan, rows, "n", Context(Config(), lambda: None, **context))
    fit_nearest(fitting, "mse")
    return fitting


def moved(variables, seed=1):
    """Variables away from where they start."""
    for i, variable in enumerate(variables):
        drawn = tf.random.stateless_normal(variable.shape, (seed, i))
        variable.assign(variable + 0.02 * drawn)


# --- a layer under training -----------------------------------------------------------


@pytest.mark.parametrize("seam", [0, 2])
def test_it_starts_as_the_layer_bit_for_bit(seam):
    layer, trained, x, t = layer_under_training(seam)
    w = tf.zeros(layer.shape)
    np.testing.assert_array_equal(trained.kernel(w), layer.kernel(w))
    np.testing.assert_array_equal(trained.inputs(x, t), layer.inputs(x, t))


@pytest.mark.parametrize("seam", [0, 2])
def test_merged_is_unmerged_bit_for_bit(seam):
    layer, trained, x, t = layer_under_training(seam)
    w, before = tf.zeros(layer.shape), layer.kernel(tf.zeros(layer.shape)).numpy()
    moved(trained.variables.values())
    unmerged = trained.kernel(w).numpy(), trained.inputs(x, t).numpy()
    assert (unmerged[0] != before).any()
    trained.store()
    np.testing.assert_array_equal(layer.kernel(w), unmerged[0])
    np.testing.assert_array_equal(layer.inputs(x, t), unmerged[1])


def layer_under_training(seam=0, bits=4):
    """A layer with weights and ranges found, under training by an adapter."""
    rng, shape = np.random.default_rng(2), (3, 3, 4, 3)
    form, steps = NumberFormat(bits), (np.arange(1000) // 500).astype(np.int32)
    layer = QuantizedLayer(shape, LayerSpec(form, form, steps=2), seam, steps)
    round_to_nearest(layer, rng.normal(size=shape).astype(np.float32), "mse")
    ends = rng.uniform(0.5, 2, size=(2, *layer.low.shape)).astype(np.float32)
    layer.set_ranges(-ends[0], ends[1])
    kernel = layer.kernel(tf.zeros(shape)).numpy()
    trained = TrainedLayer(layer, kernel, Lora(shape, 2), scales=True)
    x = rng.normal(size=(3, 5, 5, 4)).astype(np.float32)
    return layer, trained, tf.constant(x), tf.constant([0, 499, 500])


def test_each_picture_moves_the_range_of_its_own_timestep():
    _, trained, x, _ = layer_under_training()
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.square(trained.inputs(x, tf.constant([0, 10, 499]))))
    for gradient in tape.gradient(y, [trained.low, trained.high]):
        gradient = tf.convert_to_tensor(gradient)
        assert (gradient[0].numpy() != 0).any() and (gradient[1].numpy() == 0).all()


def test_clipped_values_move_their_end_alone():
    layer, trained, *_ = layer_under_training()
    low, high = layer.low.numpy()[0, 0], layer.high.numpy()[0, 0]
    for x, slopes in ((-9.0, (high - low, 0)), (9.0, (0, high - low))):
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(
                trained.inputs(tf.fill([1, 1, 1, 4], x), tf.constant([0]))
            )
        found = tape.gradient(y, [trained.low, trained.high])
        made = [float(tf.convert_to_tensor(g)[0, 0]) for g in found]
        # Zero is a code, and a range that is not its own multiple leaves a rest.
        rest = 4 * (high - low) * 0.5 / 15
        np.testing.assert_allclose(made, 4 * np.array(slopes), atol=rest)


# --- the whole network ----------------------------------------------------------------


def test_layers_around_blocks_and_between_levels_have_8_bits():
    spec = efficientdm.rules(EfficientDMConfig())
    for path in ("up_0_1/skip", "down_2_sample/conv"):
        found = spec.of(path)
        assert (found.weights.bits, found.activations.bits) == (8, 8)
        assert found.split and found.steps == 20
    assert spec.of("up_1_sample/conv").weights.bits == 4
    assert spec.of("middle_attention/softmax").activations.bits == 8


def test_without_iterations_it_is_the_naive_model(base, rows):
    naive, tuned = (fitting_of(base, rows) for _ in range(2))
    efficientdm.fit(tuned, replace(CONFIG, iterations=0))
    for path, layer in naive.plan.items():
        for name, variable in layer.variables.items():
            found = tuned.plan[path].variables[name]
            np.testing.assert_array_equal(found, variable, f"{path} {name}")


@pytest.mark.slow  # graphs of gradients take seconds to make
def test_all_that_learns_is_adapters_scales_and_ranges(base, rows):
    fitting = fitting_of(base, rows)
    plan, trained = efficientdm.learner(fitting, CONFIG)
    kinds = {name.rpartition(":")[2] for name in trained}
    assert kinds == {"a", "b", "log_scale", "low", "high"}
    held = [id(v) for v in base.variables.values()]
    assert not {id(one.variable) for one in trained.values()} & set(held)
    before = {name: v.numpy() for name, v in base.variables.items()}
    tune(fitting, plan, trained, HOW)
    for name, variable in base.variables.items():
        np.testing.assert_array_equal(variable, before[name])
    for name, one in trained.items():
        assert (one.variable.numpy() != 0).any() or "softmax:low" in name, name


def test_rates_of_adapters_go_with_the_steps_of_their_layers(base, rows):
    fitting = fitting_of(base, rows)
    _, trained = efficientdm.learner(fitting, CONFIG)
    for path, layer in fitting.plan.items():
        if layer.shape:
            step = layer.scale.numpy().mean()
            for name in ("a", "b"):
                rate = trained[f"{path}:{name}"].rate
                assert rate == pytest.approx(CONFIG.adapter_rate * step)


@pytest.mark.slow  # graphs of gradients take seconds to make
def test_the_error_falls_and_merging_keeps_it(base, rows):
    fitting = fitting_of(base, rows)
    faster = replace(CONFIG, adapter_rate=0.1, range_rate=0.01)
    plan, trained = efficientdm.learner(fitting, faster)
    taught = teach(base, rows)

    def error(plan):
        return float(tf.reduce_mean(errors(base, plan, taught, HOW)))

    before = error(fitting.plan)
    tune(fitting, plan, trained, HOW._replace(iterations=20, batch_size=24))
    assert error(plan) < before
    batch = next(rows.batches(24))
    unmerged = call_eagerly(base, batch, plan)
    for layer in plan.values():
        layer.store()
    for one, other in zip(
        unmerged, call_eagerly(base, batch, fitting.plan), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_errors_that_sampling_clips_are_none_and_others_keep_their_slope():
    own = tf.constant([-3.0, 1.5, 0.5, -2.0])
    with tf.GradientTape() as tape:
        tape.watch(own)
        error = visible_error(own, tf.constant([-1.5, 1.2, 0.25, 0.9]))
    np.testing.assert_allclose(error, [0.0, 0.0, 0.25, -2.9], atol=1e-6)
    np.testing.assert_array_equal(tape.gradient(error, own), [0, 0, 1, 1])


def test_evaluations_count_by_what_guidance_makes_of_their_errors():
    null = tf.constant([False, True])
    shares = share_of_error(null, 1.5)
    np.testing.assert_allclose(shares, [1.8, 0.2], rtol=1e-6)  # 1.5² and 0.5²
    np.testing.assert_array_equal(share_of_error(null, 1.0), [1.0, 1.0])


def test_in_16_bits_there_is_nothing_to_learn(base, rows):
    config = EfficientDMConfig(
        weight_bits=16, activation_bits=16, outer_bits=16, attention_bits=16,
        step_groups=GROUPS,
    )  # fmt: skip
    fitting = fitting_of(base, rows, config)
    found = errors(base, fitting.plan, teach(base, rows), HOW)
    four = errors(base, fitting_of(base, rows).plan, teach(base, rows), HOW)
    assert float(tf.reduce_max(found)) < 1e-5 * float(tf.reduce_mean(four))


@pytest.mark.slow  # graphs of gradients take seconds to make
def test_a_stopped_tuning_goes_on_to_the_same_bits(base, rows):
    straight, kept = fitting_of(base, rows), {}
    run(straight)

    def keep(name, arrays):
        kept[name] = arrays
        if int(arrays["done"]) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(fitting_of(base, rows, keep=keep))
    again = fitting_of(base, rows, kept=kept.get)
    run(again)
    for path, layer in straight.plan.items():
        for name, variable in layer.variables.items():
            np.testing.assert_array_equal(again.plan[path].variables[name], variable)


def run(fitting):
    plan, trained = efficientdm.learner(fitting, CONFIG)
    tune(fitting, plan, trained, HOW)
    for layer in plan.values():
        layer.store()


@pytest.mark.parametrize("groups", [0, 21])
def test_groups_without_a_step_of_calibration_are_refused(base, groups):
    with pytest.raises(InputError, match="step_groups"):
        efficientdm.derive(base, EfficientDMConfig(step_groups=groups), None)
