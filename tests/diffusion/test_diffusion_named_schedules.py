"""Named schedules against their closed forms; shifts; noise alone at the end."""

import math

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import SHAPE, small_network
from toys import GaussianToy

import pdm_tf as pdm
from pdm_tf import seeds
from pdm_tf.config import Config, DiffusionConfig, InputError, UNetConfig
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.diffusion.grids import SPACINGS
from pdm_tf.diffusion.named_schedules import (
    cosine,
    ending_in_noise,
    shifted,
    sigmoid,
)
from pdm_tf.objectives import DenoisingObjective
from pdm_tf.samplers import SAMPLERS, sample
from pdm_tf.samplers.sampler import start
from pdm_tf.serving.description import open_schedule, schedule_settings

T = 1000
MOMENTS = (np.arange(T) + 1) / T


def sigmoid_alpha(t):
    v = [1 / (1 + math.exp(-s)) for s in (-3, 3)]
    return (v[1] - 1 / (1 + np.exp(3 - 6 * t))) / (v[1] - v[0])


# Up to where no beta is cut off at 0.999.
CLOSED = {
    "cosine": (
        cosine,
        lambda t: (
            np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2
            / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
        ),
    ),
    "sigmoid": (sigmoid, sigmoid_alpha),
}


@pytest.mark.parametrize("name", CLOSED)
def test_alpha_has_its_closed_form_and_no_beta_is_above_the_cut(name):
    make, alpha = CLOSED[name]
    schedule = make(T)
    np.testing.assert_allclose(
        np.exp(schedule.log_alpha[:-1]), alpha(MOMENTS)[:-1], rtol=1e-9
    )
    assert max(schedule.betas) == 0.999 and min(schedule.betas) > 0
    assert (np.diff(schedule.log_snr) < 0).all()


def test_figures_of_the_cosine():
    """Half of the picture is left at half of the time, nearly (2102.09672, fig. 5)."""
    alpha = np.exp(cosine(T).log_alpha)
    assert alpha[499] == pytest.approx(0.4938, abs=1e-3)
    assert cosine(T).betas[0] == pytest.approx(4.13e-5, rel=1e-2)


def test_a_shift_is_one_of_log_snr_at_every_timestep():
    base, change = NoiseSchedule.linear(), -2 * math.log(4)
    made = shifted(base, change)
    np.testing.assert_allclose(made.log_snr, base.log_snr + change, rtol=1e-9)
    product = np.cumprod(1 - np.asarray(made.betas))
    np.testing.assert_allclose(np.exp(made.log_alpha), product, rtol=1e-9)
    np.testing.assert_allclose(shifted(base, 0.0).betas, base.betas, rtol=1e-9)


@pytest.mark.parametrize("make", [NoiseSchedule.linear, cosine, sigmoid])
def test_noise_alone_is_left_at_the_end_and_the_beginning_stays(make):
    base = make()
    made = ending_in_noise(base)
    assert made.betas[-1] == 1 and made.log_snr[-1] == -np.inf
    assert made.level(T - 1).signal == 0 and made.level(T - 1).noise == 1
    root, before = np.exp(made.log_alpha / 2), np.exp(base.log_alpha / 2)
    assert root[0] == pytest.approx(before[0], rel=1e-12)
    # A straight line through the roots of before.
    slope = np.diff(root) / np.diff(before)
    np.testing.assert_allclose(slope, slope[0], rtol=1e-6)


# lcm is for models whose estimates lead to the end.
@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "lcm"])
def test_every_sampler_begins_with_noise_alone(name):
    toy, sampler = GaussianToy(), SAMPLERS[name]()
    toy.schedule = ending_in_noise(NoiseSchedule.linear())
    grid = toy.schedule.grid(200)
    drawn = sample(toy, sampler, grid, range(40), toy.image_shape)
    if sampler.convergence_order is None:  # noise of its own: by its spread alone
        assert np.std(drawn) == pytest.approx(toy.std, rel=0.1)
        return
    exact = toy.std * start(range(40), toy.image_shape)
    assert np.abs(drawn - exact).max() < 0.1


@pytest.mark.parametrize("spacing", SPACINGS)
def test_every_spacing_begins_at_the_last_timestep(spacing):
    for schedule in (ending_in_noise(cosine()), cosine(), NoiseSchedule.linear()):
        t = schedule.grid(10, spacing).t.numpy()
        assert t[0] == T - 1 and (np.diff(t) < 0).all()


def test_a_loss_and_its_gradient_are_finite_at_noise_alone():
    network = small_network()
    schedule = ending_in_noise(NoiseSchedule.linear())
    denoise = pdm.NetworkDenoiser(network, schedule, "v", apart=False)
    variables = {v.path: v.value for v in network.trainable_variables}
    last = (T - 1, T - 1)
    objective = DenoisingObjective(denoise, variables, "truncated_snr", 0.1, last)
    x = tf.clip_by_value(seeds.normal(seeds.step_keys(0, 0, 0, 4), SHAPE), -1, 1)
    with tf.GradientTape() as tape:
        loss = objective(x, tf.zeros(4, tf.int32), objective.draw(0, tf.constant(0), 4))
    assert np.isfinite(loss.total).all() and (loss.total.numpy() > 0).all()
    for gradient in tape.gradient(loss.total, list(variables.values())):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, NoiseSchedule.linear()),
        ({"schedule": "cosine", "timesteps": 500}, cosine(500)),
        ({"schedule": "sigmoid"}, sigmoid()),
        ({"shift_from": 64}, shifted(NoiseSchedule.linear(), -2 * math.log(4))),
        ({"zero_terminal": True}, ending_in_noise(NoiseSchedule.linear())),
    ],
)
def test_settings_open_their_schedule_and_an_export_knows_it_again(settings, wanted):
    from pdm_tf.assemble.settings import build_schedule

    network = UNetConfig(image_shape=(256, 192, 3))
    config = Config(diffusion=DiffusionConfig(**settings), network=network)
    made = build_schedule(config)
    assert made == wanted
    assert open_schedule(schedule_settings(made)) == made
    if set(settings) <= {"timesteps"}:  # as files of before have it
        assert schedule_settings(made).keys() == {"timesteps", "beta_end"}


def test_noise_alone_is_refused_for_what_is_told_from_the_noise():
    from pdm_tf.assemble.settings import check_settings

    diffusion = DiffusionConfig(zero_terminal=True, prediction="eps")
    with pytest.raises(InputError, match="noise alone says nothing"):
        check_settings(Config(diffusion=diffusion))
