"""Laws of the straight way between noise and picture."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm
from toys import GaussianToy

import pdm_tf as pdm
from pdm_tf.config import InputError
from pdm_tf.diffusion.flow import length_of, time_of
from pdm_tf.diffusion.losses import weight
from pdm_tf.samplers import SAMPLERS, sample
from pdm_tf.samplers.sampler import start

SCALES = [1.0, 2.0, 0.5]
SEEDS = range(40)


@pytest.mark.parametrize("s", SCALES)
def test_levels_are_those_of_the_straight_way(s):
    flow = pdm.LinearFlow.of(50, s)
    t = 1 - np.arange(1, 51) / 50
    alpha = t**2 / (t**2 + (1 - t) ** 2 * s**2)
    np.testing.assert_allclose(np.exp(flow.log_alpha), alpha, rtol=1e-12)
    np.testing.assert_allclose(np.cumprod(1 - np.array(flow.betas)), alpha, atol=1e-15)
    level = flow.level(tf.range(50))
    np.testing.assert_allclose(flow.time(level), t, rtol=1e-6)
    length = np.sqrt(t**2 + (1 - t) ** 2 * s**2)
    np.testing.assert_allclose(length_of(level, s), length, rtol=1e-6)
    np.testing.assert_allclose(level.signal * length, t, rtol=1e-6)
    np.testing.assert_allclose(level.noise * length, (1 - t) * s, rtol=1e-6)
    assert level.noise.numpy()[-1] == 1 and level.signal.numpy()[-1] == 0


@pytest.mark.parametrize("s", SCALES)
def test_times_and_levels_are_each_others(s):
    flow = pdm.LinearFlow.of(1000, s)
    t = tf.constant([0.0, 1e-3, 0.25, 0.5, 0.999])
    level = flow.at(t)
    np.testing.assert_allclose(flow.time(level), t, rtol=2e-6)
    assert level.t.numpy().tolist() == [999, 998, 749, 499, 0]
    early, late = time_of(flow.at(tf.constant(1e-6)), s)
    np.testing.assert_allclose([early, late], [1e-6, 1 - 1e-6], rtol=1e-5)


@pytest.mark.parametrize("steps", [1, 6, 50, 333])
def test_steps_are_even_in_t_from_noise_on(steps):
    flow = pdm.LinearFlow.of(1000, 2.0)
    grid = flow.grid(steps)
    t = flow.time(pdm.NoiseLevel(*grid))
    np.testing.assert_allclose(t, np.arange(steps) / steps, rtol=2e-6)
    assert (np.abs((999 - grid.t.numpy()) / 1000 - t) <= 1e-3).all()
    inside = tf.function(flow.grid)(tf.constant(steps))
    assert inside.t.numpy().tolist() == grid.t.numpy().tolist()
    later = inside.log_snr[1:], grid.log_snr[1:]
    np.testing.assert_allclose(*later, rtol=1e-4, atol=1e-5)


def test_a_step_of_ddim_is_eulers_on_the_straight_way():
    """w' = w + (t' - t)(x - s·eps), for any estimate."""
    s, rng = 2.0, np.random.default_rng(0)
    z, x = (tf.constant(rng.normal(size=(2, 4, 4, 1)), tf.float32) for _ in "zx")
    flow = pdm.LinearFlow.of(1000, s)
    level, to = (flow.at(tf.constant(t)) for t in (0.3, 0.4))
    made, _ = pdm.DDIM().step(lambda *_: pdm.Prediction(x, x), z, level, to, (), z)
    w = z * length_of(level, s)
    eps = (w - 0.3 * x) / (0.7 * s)
    np.testing.assert_allclose(
        made * length_of(to, s), w + 0.1 * (x - s * eps), atol=1e-5
    )


# lcm is for models whose estimates lead to the end.
@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "lcm"])
def test_from_noise_alone_every_sampler_reaches_the_exact_gaussian(name):
    """alpha = 0 at the start is no trouble, and errors fall with the steps."""
    toy, sampler = GaussianToy(), SAMPLERS[name]()
    toy.schedule = pdm.LinearFlow.of(1000)

    def drawn(sampler, steps):
        return sample(toy, sampler, toy.schedule.grid(steps), SEEDS, toy.image_shape)

    if sampler.convergence_order is None:  # noise of its own: by its spread alone
        assert np.std(drawn(sampler, 200)) == pytest.approx(toy.std, rel=0.1)
        return
    exact = toy.std * start(SEEDS, toy.image_shape)
    far = [np.abs(drawn(sampler, steps) - exact).max() for steps in (25, 50, 100)]
    assert far[2] < 0.05 and far[0] > 1.5 * far[1] > 1.5**2 * far[2]


@pytest.mark.parametrize(("first", "last"), [(0, 999), (200, 650)])
def test_training_draws_times_whose_logit_is_normal(first, last):
    """As JiT does, and only between the timesteps that are trained."""
    u = tf.constant((np.arange(20_000) + 0.5) / 20_000, tf.float32)
    level = pdm.LinearFlow.of(1000, 2.0).spread(u, first, last)
    assert first <= level.t.numpy().min() and level.t.numpy().max() <= last
    t = 1 - (np.arange(1000) + 1) / 1000
    with np.errstate(divide="ignore"):
        edges = np.log(t + 5e-4) - np.log1p(-(t + 5e-4).clip(max=1))
    below = norm.cdf(edges, -0.8, 0.8)  # of the upper edge of each timestep
    low, high = below[last] - 1e-3, below[first]
    for k in range(first + 30, last - 30, 37):
        share = np.mean(level.t.numpy() >= k)
        assert share == pytest.approx((below[k] - low) / (high - low), abs=6e-3)


def test_the_velocitys_error_is_weighed_by_its_size():
    """Mean (v - v')² of estimates x' is the weight times the mean (x - x')²."""
    s, t = 2.0, tf.constant([0.05, 0.5, 0.9, 0.99])
    gamma = weight("velocity", pdm.LinearFlow.of(1000, s).at(t), s)
    np.testing.assert_allclose(gamma, 1 / np.maximum(1 - t, 0.05) ** 2, rtol=1e-5)


def test_settings_that_make_no_sense_are_refused():
    for settings in [(1, 1.0), (10, 0.0), (10, math.inf), (10, math.nan)]:
        with pytest.raises(InputError):
            pdm.LinearFlow.of(*settings)
    with pytest.raises(InputError, match="noise_scale=0"):
        pdm.LinearHeun(0.0)
    for steps, spacing in [(0, "uniform"), (1001, "uniform"), (10, "karras")]:
        with pytest.raises(InputError):
            pdm.LinearFlow.of(1000).grid(steps, spacing)
