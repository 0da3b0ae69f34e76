"""Temporal Feature Matters: features of the sampled timesteps looked up in few bits."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import small_denoiser

from pdm_tf.config import Config, InputError, SamplingConfig
from pdm_tf.config.quantization import TemporalCacheConfig
from pdm_tf.denoisers.derivation import Context
from pdm_tf.networks.transforms import TIME
from pdm_tf.quantization import temporal_cache
from pdm_tf.quantization.cached_feature import NONE, CachedFeature
from pdm_tf.quantization.cost import stored_bytes
from pdm_tf.quantization.deriving import plan_of
from pdm_tf.quantization.spec import NumberFormat
from pdm_tf.quantization.temporal import features_of, split_plan
from pdm_tf.quantization.tfmq_dm import spec_by_step
from pdm_tf.serving.denoiser_generator import DenoiserGenerator

STEPS = 6
CONFIG = TemporalCacheConfig(
    iterations=0,
    temporal_iterations=0,
    batch_size=4,
    calibration_images=1,
    calibration_steps=2,
    cached_steps=(STEPS,),
    weight_bits=4,
)


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


@pytest.fixture(scope="module")
def every(base):
    """Timestep and label of every pair that is sampled."""
    held = np.sort(np.asarray(base.schedule.grid(STEPS).t))
    labels = np.arange(base.num_classes + 1)
    return np.repeat(held, len(labels)), np.tile(labels, len(held))


def tables_of(base, bits):
    config = replace(CONFIG, cache_bits=bits)
    paths = list(features_of(base, {}, np.zeros(1), np.zeros(1)))
    tables = temporal_cache.tables_of(base, paths, config)
    temporal_cache.fill_tables(base, tables)
    return tables


def test_float_tables_are_the_network_for_every_timestep_and_class(base, every):
    made = features_of(base, tables_of(base, 32), *every)
    for path, wanted in features_of(base, {}, *every).items():
        np.testing.assert_allclose(made[path], wanted, atol=1e-6)


@pytest.mark.parametrize("bits", [3, 8])
def test_few_bits_err_by_half_a_code_at_most(base, every, bits):
    tables = tables_of(base, bits)
    made = features_of(base, tables, *every)
    for path, wanted in features_of(base, {}, *every).items():
        part = "class" if path.endswith("/gate") else "time"
        row = every[1] if part == "class" else tables[path].row_of[every[0]]
        step = tables[path].variables[f"{part}_scale"].numpy()[row][:, None]
        assert (np.abs(made[path] - wanted) <= 0.5 * step * (1 + 1e-3) + 1e-6).all()


def test_a_sum_of_a_timesteps_and_a_classs_rows():
    row_of = np.array([NONE, 0, 1], np.int32)
    table = CachedFeature(2, NumberFormat(8), row_of, 3)
    table.store("time", np.float32([[1, 2], [3, 4]]))
    table.store("class", np.float32([[0, 10], [20, 0], [0, 0]]))
    times = table.part("time", tf.constant([1, 1]))
    classes = table.part("class", tf.constant([0, 1]))
    np.testing.assert_allclose(times + classes, [[3, 14], [23, 4]], atol=0.05)


def test_whatever_disturbs_less_is_chosen_and_ties_are_the_tables():
    cached, rounded = {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 2.0, "b": 2.0, "c": 1.0}
    chosen = temporal_cache.choose_cached(cached, rounded)
    assert chosen == ["a", "b"]
    kept = sum(cached[p] if p in chosen else rounded[p] for p in cached)
    assert kept <= min(sum(cached.values()), sum(rounded.values()))


@pytest.fixture(scope="module")
def derived(base):
    context = Context(Config(), lambda: None)
    return temporal_cache.derive(base, CONFIG, context)


def test_the_time_layers_are_gone_and_the_model_is_smaller(base, derived):
    plan = derived.denoiser.plan
    assert {"time_1", "time_2"}.isdisjoint(plan) and TIME in plan
    features = list(split_plan(plan)[0])
    assert features and all(isinstance(plan[p], CachedFeature) for p in features)
    # Few steps take fewer bytes than the layers of time.
    rounded = base.with_plan(plan_of(base, spec_by_step(CONFIG)))
    assert stored_bytes(derived.denoiser) < stored_bytes(rounded)
    assert derived.sampling == {"sample_steps": STEPS}


def test_where_layers_disturb_less_they_stay(base, monkeypatch):
    def some(cached, rounded):
        return [path for path in cached if path != "middle_0/time"]

    monkeypatch.setattr(temporal_cache, "choose_cached", some)
    context = Context(Config(), lambda: None)
    made = temporal_cache.derive(base, CONFIG, context)
    plan = made.denoiser.plan
    assert {"time_1", "time_2", "middle_0/time"} <= set(plan) and TIME not in plan
    # Opened again it has the same variables, which the facts decide.
    again = Context(Config(), lambda: None, restoring=True, facts=made.facts)
    opened = temporal_cache.derive(base, CONFIG, again)
    assert opened.denoiser.variables.keys() == made.denoiser.variables.keys()


@pytest.mark.slow
def test_other_timesteps_are_refused_by_the_graph(base, derived):
    z = tf.zeros([1, 8, 8, 1])
    level = base.schedule.grid(STEPS).level(1)
    assert np.isfinite(derived.denoiser(z, level).x).all()
    other = base.schedule.grid(STEPS + 1).level(1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="made for 6 timesteps"):
        derived.denoiser(z, other)


def test_steps_that_tables_do_not_hold_are_refused_in_one_line(derived):
    own = SamplingConfig(sample_steps=STEPS)
    generator = DenoiserGenerator(derived.denoiser.with_constant_weights(), own)
    for steps in (STEPS, "2"):  # the timesteps of two steps are those of six as well
        generator.check("ddim", steps)
    for sampler, steps in (("ddim", STEPS + 1), ("lcm", STEPS)):
        with pytest.raises(InputError, match="give 6 steps of ddim"):
            generator.check(sampler, steps)


@pytest.mark.parametrize(
    ("name", "value"), [("cached_steps", ()), ("cached_steps", (0,)), ("cache_bits", 9)]
)
def test_tables_that_cannot_be_are_refused(base, name, value):
    with pytest.raises(InputError, match=name):
        temporal_cache.derive(base, TemporalCacheConfig(**{name: value}), None)
