"""DeepCache: what stays the same, and what is not computed."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
import tensorflow as tf
from networks_to_cache import (
    GATED,
    LABELS,
    SHAPE,
    Counted,
    Scaled,
    denoiser,
    rows,
    sampled,
    sampled_in_graph,
    silence,
)

import pdm_tf as pdm
from pdm_tf.acceleration.cached_network import Carried
from pdm_tf.acceleration.deepcache import DeepCached, derive
from pdm_tf.acceleration.key_steps import AtTimesteps, EveryNth
from pdm_tf.config import InputError
from pdm_tf.config.acceleration import DeepCacheConfig
from pdm_tf.denoisers import EmpiricalDenoiser
from pdm_tf.errors import SettingError
from pdm_tf.export import export_saved_model
from pdm_tf.serving import weights

PLAIN = replace(GATED, num_classes=0)
BLOCKS = 4  # of the decoder


@pytest.fixture(scope="module")
def base():
    return denoiser()


def cached(base, every=3, live=1):
    config = DeepCacheConfig(every=every, live_blocks=live)
    return derive(base, config).denoiser


@pytest.mark.parametrize(
    ("config", "live"),
    [(GATED, 1), pytest.param(PLAIN, BLOCKS, marks=pytest.mark.slow)],
    ids=["classes", "plain"],
)
def test_with_every_step_a_key_step_it_is_the_base_bit_for_bit(config, live):
    base = denoiser(config)
    made = cached(base, 1, live)
    np.testing.assert_array_equal(sampled_in_graph(made), sampled_in_graph(base))
    constant = sampled(made.with_constant_weights())
    np.testing.assert_array_equal(constant, sampled(base.with_constant_weights()))


@pytest.mark.parametrize("every", [3])
def test_where_deep_features_depend_on_nothing_it_is_the_base(every):
    base = denoiser(GATED)
    assert np.abs(sampled(cached(base, every)) - sampled(base)).max() > 1e-2
    last = base.network.up[-2]  # its output is what one live block goes on from
    silence([last[0].conv_out, last[0].skip])
    np.testing.assert_allclose(sampled(cached(base, every)), sampled(base), atol=2e-5)


@pytest.mark.parametrize("every", [2, 3, 30])
def test_as_many_evaluations_are_complete_as_it_says(base, every):
    made, steps = cached(base, every), 7
    made.run_full, made.run_cheap = Counted(made.run_full), Counted(made.run_cheap)
    sampled(made, steps)
    complete = ceil(steps / every)
    assert made.run_full.calls.numpy() == complete
    assert made.run_cheap.calls.numpy() == steps - complete


@pytest.mark.parametrize("live", [1, 2, BLOCKS])
def test_a_cheap_evaluation_reads_no_deep_kernel(base, live):
    made, network = cached(base, 3, live), base.network
    read = {id(v) for v in made.run_cheap.get_concrete_function().variables}
    layers = [*network.down[live - 1 :], network.middle, *network.up[: BLOCKS - live]]
    near = [*network.down[: live - 1], *network.up[BLOCKS - live :]]
    for part, wanted in ((layers, False), (near, True)):
        for layer in (layer for group in part for layer in group):
            kernels = [v for v in layer.variables if v.path.endswith("kernel")]
            assert kernels
            assert {id(v.value) in read for v in kernels} == {wanted}


def test_a_cheap_evaluation_goes_on_from_what_was_kept(base):
    """Blocks by hand: with everything live only the middle is kept."""
    made, network = DeepCached(base, EveryNth(3), BLOCKS), base.network
    z = tf.random.stateless_normal([2, *SHAPE], (1, 2))
    t, labels = tf.constant([500]), tf.constant([0, 3])
    kept = tf.random.stateless_normal([2, 2, 2, 16], (3, 4))
    features = network.encode(z, t, labels)._replace(bottom=kept)
    wanted = network.decode(features, t, labels)
    found = made.run_cheap(z, t, labels, kept)
    for a, b in zip(found, wanted[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_pictures_of_a_batch_do_not_know_each_other(base):
    made = cached(base)
    whole = sampled_in_graph(made, seeds=(3, 4, 5))
    np.testing.assert_allclose(sampled(made), whole, atol=2e-5)
    for n, seed in enumerate((3, 4, 5)):
        alone = sampled(made, seeds=(seed,), labels=LABELS[n : n + 1])
        np.testing.assert_allclose(alone, rows(whole, n), atol=2e-5)


def test_pictures_at_different_phases_get_what_they_get_alone(base):
    made = cached(base).conditioned([0, 1])
    z = tf.random.stateless_normal([2, *SHAPE], (5, 6))
    level = base.schedule.level([700, 400])
    kept = tf.random.stateless_normal([2, *made.kept.shape[1:]], (7, 8))
    carry = Carried(tf.constant([3, 4]), kept)
    whole, after = made.predict(z, level, carry)
    for n in range(2):
        one = made.conditioned([n])
        given = tf.nest.map_structure(lambda x, n=n: x[n : n + 1], (z, level, carry))
        alone, then = one.predict(*given)
        np.testing.assert_allclose(alone.x, rows(whole.x, n), atol=1e-5)
        np.testing.assert_array_equal(then.phase, rows(after.phase, n))
        np.testing.assert_allclose(then.features, rows(after.features, n), atol=1e-5)
    assert not np.allclose(after.features[0], kept[0])
    np.testing.assert_array_equal(after.features[1], kept[1])


def test_copies_share_functions_and_called_alone_it_is_the_base(base):
    made = cached(base)
    assert made.conditioned(LABELS).run_cheap is made.run_cheap
    z, level = tf.ones([3, *SHAPE]), base.schedule.level(300)
    for a, b in zip(
        made.conditioned(LABELS)(z, level),
        base.conditioned(LABELS)(z, level),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    assert dict(made.variables) == dict(base.variables)
    assert not made.with_constant_weights().variables


def test_each_part_of_a_split_and_each_half_of_guidance_carries_its_own():
    parts = [denoiser(seed=seed) for seed in (0, 1)]
    split = pdm.split(*parts, snr=0.5)
    made = cached(split, every=50)
    whole = sampled(made, steps=8)
    # The part that comes second begins with a key step of its own.
    second = made.members[0]
    second.run_full = Counted(second.run_full)
    np.testing.assert_array_equal(sampled(made, steps=8), whole)
    assert second.run_full.calls.numpy() == 1


@pytest.mark.slow
def test_it_caches_what_an_adapter_makes_of_the_network(base):
    plan = {"middle_0/conv_out": Scaled(2.0), "up_0_1/conv_out": Scaled(0.5)}
    adapted = base.with_plan(plan)
    above = cached(base).map_innermost(lambda d: d.with_plan(plan))
    below = cached(adapted)
    np.testing.assert_array_equal(sampled(above), sampled(below))
    assert np.abs(sampled(below) - sampled(cached(base))).max() > 1e-2
    constant = sampled(below.with_constant_weights())
    np.testing.assert_allclose(constant, sampled(below), atol=2e-5)
    np.testing.assert_array_equal(sampled(cached(adapted, 1)), sampled(adapted))


@pytest.mark.slow  # tests/conformance draws from one in the quick set
@pytest.mark.parametrize("few", [True, False], ids=["constants", "variables"])
def test_a_saved_model_draws_what_python_draws(base, tmp_path, monkeypatch, few):
    monkeypatch.setattr(weights, "CONSTANT", 2**26 if few else 0)
    made = cached(base)
    sampling = pdm.SamplingConfig(thresholding="static")
    export_saved_model(made, tmp_path / "export", "", sampling, ["ddim"])
    signature = tf.saved_model.load(str(tmp_path / "export")).signatures["sample"]
    served = signature(
        seeds=tf.constant([3, 4, 5]),
        labels=tf.constant(LABELS),
        steps=tf.constant(7),
        guidance=tf.constant(1.5),
    )["images"]
    wanted = np.rint(np.clip(sampled(made) * 127.5 + 127.5, 0, 255))
    assert np.abs(np.float32(served) - wanted).max() <= 1


def test_uneven_key_steps_come_from_the_settings(base):
    config = DeepCacheConfig(every=4, power=1.4, centre=10, steps=20)
    made = derive(base, config).denoiser
    assert isinstance(made.key_steps, AtTimesteps)
    assert len(made.key_steps.keys) == 5
    assert np.isfinite(sampled(made)).all()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("every", 0),
        ("live_blocks", 0),
        ("live_blocks", BLOCKS + 1),
        ("power", 0.5),
        ("centre", 101),
        ("steps", 1001),
    ],
)
def test_settings_that_make_no_sense_are_named(base, setting, value):
    config = replace(DeepCacheConfig(power=1.2), **{setting: value})
    with pytest.raises(SettingError) as caught:
        derive(base, config)
    assert caught.value.setting == setting and caught.value.value == value


def test_what_is_no_network_is_refused(base):
    pictures = np.zeros([2, *SHAPE], np.float32)
    for other in (cached(base), EmpiricalDenoiser(pictures, base.schedule)):
        with pytest.raises(InputError, match=type(other).__name__):
            DeepCached(other, EveryNth(3))
