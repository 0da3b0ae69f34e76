"""Levels: monotone, exact at both ends, and the figures of the paper's schedules."""

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import reference_diffusion as reference
import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule

SCHEDULES = {
    "paper": NoiseSchedule.linear(),
    "ffhq": NoiseSchedule.linear(beta_end=0.025),
    "short": NoiseSchedule.linear(10, 0.3),
    "shortest": NoiseSchedule.linear(2, 0.5),
}
every = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


@every
def test_alpha_and_snr_fall_with_t(schedule):
    level = schedule.level(np.arange(schedule.timesteps))
    for falling in (level.snr, level.log_snr, schedule.log_alpha):
        assert (np.diff(falling) < 0).all()
    for falling in (level.alpha, level.signal, -level.noise):  # float32 may stand still
        assert (np.diff(falling) <= 0).all()
    assert level.alpha.numpy().max() < 1 and level.alpha.numpy().min() > 0


@every
def test_alpha_is_the_product_of_one_minus_beta(schedule):
    alpha, before = reference.alphas(schedule.betas)
    level = schedule.level(np.arange(schedule.timesteps))
    close = {"rtol": 5e-6}  # float32, both for alpha near 1 and 1 - alpha near 0
    np.testing.assert_allclose(np.exp(schedule.log_alpha), alpha, rtol=1e-12)
    np.testing.assert_allclose(level.alpha, alpha, **close)
    np.testing.assert_allclose(level.signal, np.sqrt(alpha), **close)
    np.testing.assert_allclose(level.noise, np.sqrt(1 - alpha), **close)
    np.testing.assert_allclose(level.snr, alpha / (1 - alpha), **close)
    np.testing.assert_allclose(schedule.previous(level).alpha, before, **close)


@every
def test_signal_and_noise_share_the_variance(schedule):
    level = schedule.level(np.arange(schedule.timesteps))
    both = tf.square(level.signal) + tf.square(level.noise)
    np.testing.assert_allclose(both, 1.0, rtol=1e-6)


@every
def test_the_clean_picture_comes_before_the_first_timestep(schedule):
    clean = schedule.previous(schedule.level(0))
    assert clean.alpha == 1 and clean.signal == 1 and clean.noise == 0
    clean = NoiseLevel.from_alpha(0, 1.0)
    assert clean.alpha == 1 and clean.signal == 1 and clean.noise == 0


def test_betas_rise_evenly_between_their_ends():
    for end in (0.02, 0.025):
        betas = np.array(NoiseSchedule.linear(1000, end).betas)
        assert betas[0] == 1e-4 and betas[-1] == end
        np.testing.assert_allclose(np.diff(betas), (end - 1e-4) / 999, rtol=1e-9)


def test_figures_of_the_papers_schedule():
    schedule = SCHEDULES["paper"]
    assert schedule.timesteps == 1000
    assert np.exp(schedule.log_alpha[999]) == pytest.approx(4.036e-5, rel=1e-3)
    assert schedule.timestep(1.0) == 258
    snr = np.exp(schedule.log_snr)
    assert snr[395] == pytest.approx(0.2524, abs=5e-5)
    assert snr[396] == pytest.approx(0.24988, abs=5e-6)
    figures = {0: 100, 1: 67.4, 10: 21.3, 100: 2.92, 396: 0.4999, 999: 0.00635}
    for t, root in figures.items():
        assert math.sqrt(snr[t]) == pytest.approx(root, rel=2e-3)


def test_figures_of_the_schedule_for_faces():
    alpha = np.exp(SCHEDULES["ffhq"].log_alpha[999])
    assert alpha == pytest.approx(3.19e-6, rel=2e-3)


def test_the_split_of_the_paper_is_at_these_timesteps():
    assert SCHEDULES["paper"].timestep(0.25) == 396
    assert SCHEDULES["ffhq"].timestep(0.25) == 354


@every
def test_timestep_is_the_inverse_of_snr_and_stays_within_the_table(schedule):
    for t in range(0, schedule.timesteps, 7):
        assert schedule.timestep(math.exp(schedule.log_snr[t])) == t
    assert schedule.timestep(1e9) == 0
    assert schedule.timestep(1e-9) == schedule.timesteps - 1


def test_timestep_is_nearest_on_a_log_scale():
    schedule = SCHEDULES["paper"]
    for t in (0, 100, 500, 998):
        middle = (schedule.log_snr[t] + schedule.log_snr[t + 1]) / 2
        assert schedule.timestep(math.exp(middle + 1e-6)) == t
        assert schedule.timestep(math.exp(middle - 1e-6)) == t + 1


@pytest.mark.parametrize("alpha", [1e-6, 0.1, 0.5, 0.9, 1 - 1e-6])
def test_a_level_knows_the_alpha_it_was_made_from(alpha):
    level = NoiseLevel.from_alpha(3, alpha)
    assert level.t == 3
    assert float(level.alpha) == pytest.approx(alpha, rel=1e-6)
    assert float(level.noise) ** 2 == pytest.approx(1 - alpha, rel=1e-5)


def test_levels_come_alone_or_one_for_each_picture():
    schedule = SCHEDULES["paper"]
    one, many = schedule.level(5), schedule.level([5, 10, 999])
    assert one.alpha.shape == [] and one.per_pixel() == one
    assert many.alpha.shape == [3] and many.per_pixel().alpha.shape == [3, 1, 1, 1]
    assert one.alpha == many.alpha[0]
    assert one.t.dtype == tf.int32 and one.alpha.dtype == tf.float32


def test_eager_graph_and_xla_know_the_same_levels():
    schedule, t = SCHEDULES["paper"], tf.range(1000)
    for jit in (False, True):
        look_up = tf.function(lambda t: schedule.level(t).log_snr, jit_compile=jit)
        np.testing.assert_array_equal(look_up(t), schedule.level(t).log_snr)


@pytest.mark.parametrize("end", [0.0, 1e-4, 1.0, -1.0, 2.0])
def test_betas_stay_between_zero_and_one(end):
    with pytest.raises(InputError, match=f"beta_end={end}: .* between"):
        NoiseSchedule.linear(1000, end)


@pytest.mark.parametrize("timesteps", [1, 0, -5])
def test_a_schedule_has_at_least_two_timesteps(timesteps):
    with pytest.raises(InputError, match=f"timesteps={timesteps}: .*2"):
        NoiseSchedule.linear(timesteps)


def test_schedules_compare_by_their_betas_and_do_not_change():
    assert NoiseSchedule.linear() == NoiseSchedule.linear()
    assert NoiseSchedule.linear() != NoiseSchedule.linear(beta_end=0.025)
    with pytest.raises(FrozenInstanceError):
        SCHEDULES["paper"].betas = ()
