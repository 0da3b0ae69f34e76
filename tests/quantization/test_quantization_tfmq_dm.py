"""TFMQ-DM: temporal features rounded as one, and a range for each step."""

import re

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.config import Config, InputError
from pdm_tf.config.quantization import TFMQConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.quantization import tfmq_dm
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.deriving import Fitting, plan_of, step_groups
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.min_max import fit_nearest
from pdm_tf.quantization.observing import InputStatistics, by_step
from pdm_tf.quantization.ranges import fit_ranges
from pdm_tf.quantization.reconstruction import values_of, weights_only
from pdm_tf.quantization.spec import LayerSpec, NumberFormat
from pdm_tf.quantization.temporal import (
    errors_of,
    features_of,
    reconstruct_temporal,
    split_plan,
)

RNG = np.random.default_rng(0)
STEPS = 4
CONFIG = TFMQConfig(
    weight_bits=3,
    outer_bits=3,
    iterations=2,
    temporal_iterations=60,
    temporal_batch=64,
    calibration_steps=STEPS,
)


@pytest.fixture(scope="module")
def base():
    tf.keras.utils.set_random_seed(0)  # whatever was drawn before
    return small_denoiser()


@pytest.fixture(scope="module")
def rows(base):
    t = np.repeat(np.asarray(base.schedule.grid(STEPS).t), 4).astype(np.int32)
    z = RNG.normal(size=(len(t), 8, 8, 1)).astype(np.float32)
    return Rows(z, t, np.arange(len(t), dtype=np.int32) % 4)


@pytest.fixture(scope="module")
def learned(base, rows):
    """A fitting whose temporal features have learned, and its values before."""
    fitting = fitting_of(base, rows)
    before = values_of(fitting.plan)
    temporal, _ = split_plan(fitting.plan)
    nearest = errors_of(base, weights_only(temporal))
    recipe = tfmq_dm.recipe_of(CONFIG)
    recipe = recipe._replace(iterations=300, batch_size=64, rate=5e-2)
    reconstruct_temporal(fitting, temporal, recipe)
    return fitting, before, nearest


def fitting_of(base, rows, **context):
    plan = plan_of(base, tfmq_dm.spec_by_step(CONFIG))
    fitting = Fitting(base, plan, rows, "n", Context(Config(), lambda: None, **context))
    fit_nearest(fitting)
    return fitting


# --- temporal features ----------------------------------------------------------------


def test_the_temporal_block_reads_no_picture(base, rows):
    temporal, others = split_plan(plan_of(base, tfmq_dm.spec_by_step(CONFIG)))
    assert {"time_1", "time_2", "variance_time", "middle_0/time"} <= set(temporal)
    assert {"patches_in", "middle_0/conv_in", "middle_attention/qkv"} <= set(others)
    # Rounding all others leaves every temporal feature as it was.
    t, labels = np.arange(0, 1000, 37), np.arange(28) % 4
    made = features_of(base, others, t, labels)
    for path, wanted in features_of(base, {}, t, labels).items():
        np.testing.assert_array_equal(made[path], wanted)


def test_features_are_what_the_network_computes(base, rows):
    found = {}

    class Seen(LayerTransform):
        def __init__(self, path):
            self.path = path

        def output(self, y, x, t):
            found[self.path] = np.array(y)
            return y

    paths = features_of(base, {}, rows.t[:1], rows.labels[:1])
    seen = base.with_plan({path: Seen(path) for path in paths})
    seen._within_plan(*(tf.constant(v) for v in rows))
    for path, wanted in features_of(base, {}, rows.t, rows.labels).items():
        np.testing.assert_allclose(found[path], wanted, atol=1e-5)


def test_only_temporal_weights_change(learned):
    fitting, before, _ = learned
    after = values_of(fitting.plan)
    changed = {
        name.partition(":")[0] for name in before if differs(before, after, name)
    }
    temporal, _ = split_plan(fitting.plan)
    assert changed and changed <= set(temporal)


def differs(before, after, name):
    return (before[name] != after[name]).any()


def test_temporal_features_err_less_than_by_nearest_rounding(base, learned):
    fitting, _, nearest = learned
    temporal, _ = split_plan(fitting.plan)
    made = errors_of(base, weights_only(temporal))
    assert sum(made.values()) < 0.5 * sum(nearest.values())


def test_learning_that_made_it_worse_is_taken_back(base, rows):
    lines = []
    fitting = fitting_of(base, rows, note=lines.append)
    before = values_of(fitting.plan)
    recipe = tfmq_dm.recipe_of(CONFIG)._replace(iterations=3, rate=50.0, batch_size=4)
    reconstruct_temporal(fitting, split_plan(fitting.plan)[0], recipe)
    first, last = map(float, re.search(r"error (.*) -> (.*)", lines[0]).groups())
    assert first == last
    after = values_of(fitting.plan)
    assert not any(differs(before, after, name) for name in before)


def test_a_stopped_command_finds_the_temporal_features_again(base, rows, learned):
    kept = {"n.temporal": values_of(split_plan(learned[0].plan)[0])}
    lines = []
    again = fitting_of(base, rows, kept=kept.get, note=lines.append)
    own = split_plan(again.plan)[0]
    reconstruct_temporal(again, own, tfmq_dm.recipe_of(CONFIG))
    assert not lines
    for name, value in values_of(own).items():
        np.testing.assert_array_equal(value, kept["n.temporal"][name])


# --- ranges by step -------------------------------------------------------------------


@pytest.mark.parametrize(("timesteps", "steps"), [(1000, 50), (1000, 7), (20, 15)])
def test_each_step_of_a_sampler_has_a_group_of_its_own(timesteps, steps):
    visited = np.round(np.linspace(0, timesteps - 1, steps)).astype(int)
    found = step_groups(timesteps, steps)
    assert found[visited].tolist() == list(range(steps))
    assert (np.diff(found) >= 0).all()


def by_step_layer(x, t, bits, groups):
    layer = QuantizedLayer(
        (3, 2), LayerSpec(None, NumberFormat(bits), steps=groups), 0, GROUPS
    )
    seen = InputStatistics(x, x, x[:, None], np.ones(len(x)))
    none = np.zeros((len(t), 1, 1, 1), np.float32)
    fit_ranges(layer, seen, by_step(Rows(none, t, t), GROUPS))
    return layer


GROUPS = step_groups(1000, STEPS)


def test_one_sample_a_step_is_kept_to_half_a_code():
    t = np.array([0, 333, 666, 999], np.int32)
    x = np.float32(RNG.normal(size=(4, 3)) * [[0.1], [1], [10], [100]])
    layer = by_step_layer(x, t, 8, STEPS)
    made = layer.inputs(tf.constant(x), tf.constant(t))
    scale = (layer.high.numpy() - layer.low.numpy()) / 255
    assert (np.abs(made - x) <= 0.5 * scale[GROUPS[t]] * (1 + 1e-4)).all()


def test_equal_ranges_of_all_steps_are_one_range():
    t, x = np.array([0, 400, 999], np.int32), np.float32(RNG.normal(size=(3, 3)))
    many = QuantizedLayer(
        (3, 2), LayerSpec(None, NumberFormat(4), steps=STEPS), 0, GROUPS
    )
    one = QuantizedLayer((3, 2), LayerSpec(None, NumberFormat(4)))
    for layer in (many, one):
        shape = layer.low.shape
        layer.set_ranges(np.full(shape, -0.8), np.full(shape, 0.7))
    given = tf.constant(x), tf.constant(t)
    np.testing.assert_allclose(many.inputs(*given), one.inputs(*given), atol=1e-6)


# --- the method -----------------------------------------------------------------------


def test_blocks_learn_on_some_steps_and_ranges_on_all(rows):
    some = tfmq_dm.rows_learned(rows, 2)
    assert np.unique(some.t).tolist() == [0, 333, 999]
    assert tfmq_dm.rows_learned(rows, STEPS).t.tolist() == rows.t.tolist()


@pytest.mark.parametrize("name", ["iterations", "temporal_iterations", "batch_size"])
def test_a_training_that_cannot_be_is_refused(base, name):
    with pytest.raises(InputError, match=name):
        tfmq_dm.derive(base, TFMQConfig(**{name: -1}), None)
