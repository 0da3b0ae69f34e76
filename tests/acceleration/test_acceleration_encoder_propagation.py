"""Encoder propagation: what stays the same, and what followers are made of."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from networks_to_cache import (
    GATED,
    LABELS,
    SHAPE,
    Counted,
    denoiser,
    rows,
    sampled,
    silence,
)

import pdm_tf as pdm
from pdm_tf.acceleration.encoder_propagation import NoiseInjected, derive
from pdm_tf.config.acceleration import EncoderPropagationConfig
from pdm_tf.diffusion.gaussian import eps_from_x
from pdm_tf.errors import SettingError
from pdm_tf.export import export_saved_model
from pdm_tf.samplers import integrate

STEPS = 10
FEW = EncoderPropagationConfig(keys=(0, 1, 4), last_keys=1, steps=STEPS)
KEPT = replace(FEW, live_input=False)
both = pytest.mark.parametrize("config", [FEW, KEPT], ids=["live input", "kept input"])


@pytest.fixture(scope="module")
def base():
    return denoiser()


@both
def test_with_every_step_a_key_step_it_is_the_base_bit_for_bit(base, config):
    every = replace(config, keys=tuple(range(STEPS)))
    made = derive(base, every).denoiser
    np.testing.assert_array_equal(sampled(made, STEPS), sampled(base, STEPS))
    full = replace(config, keys=tuple(range(1000)), steps=1000)
    assert derive(base, full).denoiser.key_steps.always


@both
def test_where_the_encoder_depends_on_nothing_it_is_the_base(config):
    base = denoiser(GATED)
    assert np.abs(sampled(derive(base, config).denoiser) - sampled(base)).max() > 1e-2
    network = base.network
    blocks = [layer for group in (*network.down, network.middle) for layer in group]
    blocks = [block for block in blocks if hasattr(block, "time")]
    silence([network.patches_in, *(block.time for block in blocks)])
    made = derive(base, config).denoiser
    np.testing.assert_allclose(sampled(made), sampled(base), atol=2e-5)


@both
def test_a_follower_computes_the_decoder_alone(base, config):
    made, network = derive(base, config).denoiser, base.network
    read = {id(v) for v in made.run_cheap.get_concrete_function().variables}
    encoder = [layer for group in (*network.down, network.middle) for layer in group]
    decoder = [layer for group in network.up for layer in group]
    for layers, wanted in (
        (encoder, False),
        (decoder, True),
        ([network.patches_in], config.live_input),
    ):
        kernels = [v for layer in layers for v in layer.variables if "kernel" in v.path]
        assert {id(v.value) in read for v in kernels} == {wanted}


@pytest.mark.parametrize("steps", [STEPS, 4, 25])
def test_key_steps_are_those_of_the_list_at_any_number_of_steps(base, steps):
    made = derive(base, FEW).denoiser
    made.run_full = Counted(made.run_full)
    sampled(made, steps)
    assert made.run_full.calls.numpy() == min(steps, 4)


def test_without_a_time_in_the_decoder_followers_are_one_step_of_ddim():
    """x0 of followers is then that of their key step, and so is the noise it implies.

    One step over all of them and one for each of them end at the same z.
    """
    base = denoiser(GATED)
    network = base.network
    blocks = [layer for group in network.up for layer in group]
    silence([block.time for block in blocks if hasattr(block, "time")])
    one_key = EncoderPropagationConfig((0,), 0, STEPS, live_input=False)
    made = derive(base, one_key).denoiser.conditioned(LABELS)
    grid = base.schedule.grid(STEPS)
    z = tf.random.stateless_normal([3, *SHAPE], (1, 2))
    found = integrate(made, pdm.DDIM(), grid, (3, 4, 5), z)
    first, last = grid.level(0), grid.level(STEPS - 1)
    x = base.conditioned(LABELS)(z, first).x
    eps = eps_from_x(z, x, first)
    np.testing.assert_allclose(found, last.signal * x + last.noise * eps, atol=2e-3)


@both
def test_pictures_of_a_batch_do_not_know_each_other(base, config):
    made = derive(base, config).denoiser
    whole = sampled(made)
    alone = sampled(made, seeds=(4,), labels=LABELS[1:2])
    np.testing.assert_allclose(alone, rows(whole, 1), atol=2e-5)


@pytest.mark.slow  # tests/conformance draws from one in the quick set
def test_a_saved_model_draws_what_python_draws(base, tmp_path):
    made = derive(base, FEW).denoiser
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


def test_injected_noise_is_that_of_the_start_and_scales_with_the_steps(base):
    """By hand: a denoiser that says 0 leaves what was added to be seen."""

    class Nothing(pdm.Denoiser):
        image_shape, num_classes, schedule = SHAPE, 0, base.schedule

        def __call__(self, z, level):
            return pdm.Prediction(tf.zeros_like(z), tf.zeros_like(z))

    z, grid = tf.ones([1, *SHAPE]), base.schedule.grid(4)
    found = {}
    for steps, strength in ((50, 0.0), (50, 0.003), (100, 0.003)):
        sampler = NoiseInjected(pdm.DDIM(), base.schedule, strength, steps)
        found[steps, strength] = integrate(Nothing(), sampler, grid, [0], z)
    plain = integrate(Nothing(), pdm.DDIM(), grid, [0], z)
    np.testing.assert_array_equal(found[50, 0.0], plain)
    # Only the step from t = 333 to 0 adds noise: z = noise level of the moment + 0.003.
    noise = grid.level(3).noise / grid.level(2).noise
    np.testing.assert_allclose(found[50, 0.003] - plain, 0.003 * noise, atol=1e-6)
    np.testing.assert_allclose(found[100, 0.003] - plain, 0.0015 * noise, atol=1e-6)


@pytest.mark.parametrize(
    ("setting", "value", "shown"),
    [("keys", (0, 50), 50), ("last_keys", 51, 51), ("steps", 1001, 1001)],
)
def test_settings_that_make_no_sense_are_named(base, setting, value, shown):
    with pytest.raises(SettingError) as caught:
        derive(base, replace(EncoderPropagationConfig(), **{setting: value}))
    assert caught.value.setting == setting and caught.value.value == shown
