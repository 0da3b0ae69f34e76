"""Equation 2, its posterior, and distances between normal distributions."""

import math
from itertools import pairwise

import numpy as np
import pytest
import reference_diffusion as reference
import tensorflow as tf
from scipy.integrate import quad
from scipy.stats import norm

from pdm_tf.diffusion import NoiseLevel, NoiseSchedule, gaussian
from pdm_tf.diffusion.gaussian import Gaussian

SCHEDULES = {
    "paper": NoiseSchedule.linear(),
    "ffhq": NoiseSchedule.linear(beta_end=0.025),
}
every = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
TIMESTEPS = [0, 1, 2, 10, 100, 396, 700, 998, 999]


def pictures(seed, count=9):
    rng = np.random.default_rng(seed)
    return np.float32(rng.uniform(-1, 1, (count, 4, 4, 1)))


def mixed(schedule):
    """A picture, its noise and its noisy self at each of some levels."""
    level = schedule.level(TIMESTEPS).per_pixel()
    x = pictures(0)
    eps = np.float32(np.random.default_rng(1).normal(size=x.shape))
    return x, eps, gaussian.noised(x, eps, level), level


# --- x, eps and v ---------------------------------------------------------------------


@every
def test_noised_pictures_are_equation_2(schedule):
    x, eps, z, _ = mixed(schedule)
    alpha = reference.alphas(schedule.betas)[0][TIMESTEPS].reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(z, np.sqrt(alpha) * x + np.sqrt(1 - alpha) * eps, 1e-5)


@every
def test_x_eps_and_v_turn_into_each_other_at_every_level(schedule):
    x, eps, z, level = mixed(schedule)
    signal, noise = level.signal.numpy(), level.noise.numpy()
    rounding = 4 * 2.0**-24 * np.abs(z).max()  # of z itself, in float32
    v = gaussian.v_from_x(z, x, level)
    # Dividing by the smaller share magnifies the rounding of z, and nothing more.
    for got, wanted, share in (
        (gaussian.eps_from_x(z, x, level), eps, noise),
        (gaussian.x_from_eps(z, eps, level), x, signal),
        (gaussian.x_from_v(z, v, level), x, noise),
        (v, signal * eps - noise * x, noise),
    ):
        assert (np.abs(got - wanted) <= rounding / share + 1e-6).all()


@every
def test_round_trips_through_eps_and_v_come_back(schedule):
    x, _, z, level = mixed(schedule)
    eps = gaussian.eps_from_x(z, x, level)
    # At alpha = 3e-6 one unit in the last place of z is 3e-5 of x.
    rounding = 4 * 2.0**-24 * np.abs(z).max() / level.signal.numpy()
    assert (np.abs(gaussian.x_from_eps(z, eps, level) - x) <= rounding + 1e-6).all()
    v = gaussian.v_from_x(z, x, level)
    np.testing.assert_allclose(gaussian.x_from_v(z, v, level), x, atol=1e-5)


@pytest.mark.parametrize("prediction", ["x", "eps", "v"])
def test_an_output_stands_for_the_picture_it_was_made_from(prediction):
    x, eps, z, level = mixed(SCHEDULES["paper"])
    output = {"x": x, "eps": eps, "v": gaussian.v_from_x(z, x, level)}[prediction]
    got = gaussian.x_from_output(prediction, z, output, level)
    np.testing.assert_allclose(got, x, atol=2e-4)


def test_v_of_pure_picture_and_pure_noise():
    x, eps, _, _ = mixed(SCHEDULES["paper"])
    nearly_noise = NoiseLevel.from_alpha(999, 1e-12)
    z = gaussian.noised(x, eps, nearly_noise)
    np.testing.assert_allclose(gaussian.v_from_x(z, x, nearly_noise), -x, atol=1e-5)


# --- the posterior --------------------------------------------------------------------


def steps(schedule):
    """Pairs (from, to), both inside the table: neighbours, strides, the whole way."""
    for visited in (range(1000), range(0, 1000, 37), [0, 999]):
        yield from ((b, a) for a, b in pairwise(visited))


@every
def test_posterior_is_bayes_for_every_step(schedule):
    alpha, _ = reference.alphas(schedule.betas)
    pairs = list(steps(schedule))
    t, s = np.array(pairs).T
    z, x = 1.3, -0.7
    wanted = np.array([reference.bayes(z, x, alpha[a], alpha[b]) for a, b in pairs])
    level, to = schedule.level(t), schedule.level(s)
    mean = gaussian.posterior_mean(z, x, level, to)
    np.testing.assert_allclose(mean, wanted[:, 0], rtol=1e-6, atol=1e-6)
    log_beta, log_tilde = gaussian.posterior_variance(level, to)
    np.testing.assert_allclose(np.exp(log_tilde), wanted[:, 1], rtol=2e-6)
    np.testing.assert_allclose(np.exp(log_beta), 1 - alpha[t] / alpha[s], rtol=2e-6)


@every
def test_variance_of_a_step_of_one_timestep_is_its_beta(schedule):
    level = schedule.level(np.arange(1, 1000))
    log_beta, _ = gaussian.posterior_variance(level, schedule.previous(level))
    np.testing.assert_allclose(np.exp(log_beta), schedule.betas[1:], rtol=1e-6)


@every
def test_beta_tilde_is_below_beta_and_interpolation_lies_between(schedule):
    level = schedule.level(np.arange(1, 1000))
    both = gaussian.posterior_variance(level, schedule.previous(level))
    gap = (both.log_beta - both.log_beta_tilde).numpy()
    assert (gap >= 0).all() and (gap[:500] > 0).all()  # float32 closes it near T
    np.testing.assert_array_equal(both.interpolated(0.0), both.log_beta)
    np.testing.assert_array_equal(both.interpolated(1.0), both.log_beta_tilde)
    middle = both.interpolated(0.5)
    geometric = tf.sqrt(tf.exp(both.log_beta) * tf.exp(both.log_beta_tilde))
    np.testing.assert_allclose(tf.exp(middle), geometric, rtol=1e-5)


@every
def test_the_step_onto_the_clean_picture_is_the_estimate(schedule):
    z, x = pictures(2), pictures(3)
    clean = NoiseLevel.from_alpha(0, 1.0)
    for t in TIMESTEPS:
        mean = gaussian.posterior_mean(z, x, schedule.level(t), clean)
        np.testing.assert_allclose(mean, x, atol=1e-6)


def test_two_steps_are_one():
    """Drawing z_r through z_s has the mean and variance of drawing it at once."""
    schedule, x, z = SCHEDULES["paper"], 0.4, -1.1
    t, s, r = (schedule.level(t) for t in (800, 500, 200))

    def line(level, to):
        """Posterior mean as a function a + b·z, and its variance."""
        a = float(gaussian.posterior_mean(0.0, x, level, to))
        b = float(gaussian.posterior_mean(1.0, x, level, to)) - a
        return a, b, math.exp(gaussian.posterior_variance(level, to).log_beta_tilde)

    (a, b, v), (a2, b2, v2), (a3, b3, v3) = line(t, s), line(s, r), line(t, r)
    assert a2 + b2 * (a + b * z) == pytest.approx(a3 + b3 * z, abs=1e-5)
    assert v2 + b2**2 * v == pytest.approx(v3, rel=1e-4)


# --- distances ------------------------------------------------------------------------


def normals(seed, count=200):
    rng = np.random.default_rng(seed)
    mean = np.float32(rng.normal(size=count))
    return Gaussian(tf.constant(mean), tf.constant(np.float32(rng.normal(size=count))))


def test_divergence_is_never_negative_and_zero_at_equality():
    q, p = normals(0), normals(1)
    divergence = gaussian.kl_divergence(q, p)
    assert divergence.numpy().min() >= 0 and divergence.numpy().max() > 1
    np.testing.assert_array_equal(gaussian.kl_divergence(q, q), 0.0)


def test_divergence_of_near_neighbours_is_not_negative_either():
    q, tiny = normals(0), np.float32(np.linspace(-1e-3, 1e-3, 200))
    for p in (Gaussian(q.mean + tiny, q.log_variance), Gaussian(q.mean, q[1] + tiny)):
        assert gaussian.kl_divergence(q, p).numpy().min() >= -1e-9


def test_divergence_is_its_integral():
    q, p = normals(2, 8), normals(3, 8)
    for n, got in enumerate(gaussian.kl_divergence(q, p).numpy()):
        a = norm(float(q.mean[n]), math.exp(0.5 * float(q.log_variance[n])))
        b = norm(float(p.mean[n]), math.exp(0.5 * float(p.log_variance[n])))
        low, high = a.mean() - 10 * a.std(), a.mean() + 10 * a.std()
        wanted, _ = quad(
            lambda y, a=a, b=b: a.pdf(y) * (a.logpdf(y) - b.logpdf(y)), low, high
        )
        assert got == pytest.approx(wanted, rel=1e-4, abs=1e-6)


VALUES = np.float32(np.arange(256) / 127.5 - 1)
MEANS = [-3.0, -1.0, -0.3, 0.0, 1 / 255, 0.999, 1.0, 2.0]
LOG_VARIANCES = [-12.0, -9.2, -5.0, -1.0, 2.0]


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("log_variance", LOG_VARIANCES)
def test_likelihood_of_all_bytes_sums_to_one(mean, log_variance):
    p = Gaussian(tf.constant(mean), tf.constant(log_variance))
    logs = gaussian.discretised_log_likelihood(tf.constant(VALUES), p)
    assert np.exp(np.float64(logs)).sum() == pytest.approx(1.0, abs=2e-5)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("log_variance", LOG_VARIANCES)
def test_likelihood_equals_float64(mean, log_variance):
    p = Gaussian(tf.constant(mean), tf.constant(log_variance))
    logs = gaussian.discretised_log_likelihood(tf.constant(VALUES), p).numpy()
    assert np.isfinite(logs).all() and logs.max() <= 0
    deviation = math.exp(0.5 * log_variance)
    wanted = [reference.pixel_likelihood(float(x), mean, deviation) for x in VALUES]
    wanted = np.log(np.maximum(wanted, 1e-12))
    # In the far tail half a unit of x's last place is worth this much.
    slack = 3e-7 * (np.abs(VALUES - mean) + 1) / deviation**2
    assert (np.abs(logs - wanted) <= 2e-3 + slack).all()


def test_likelihood_has_finite_gradients_everywhere():
    mean, log_variance = np.meshgrid(MEANS, LOG_VARIANCES)
    mean = tf.constant(mean.ravel()[:, None], tf.float32)
    log_variance = tf.constant(log_variance.ravel()[:, None], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([mean, log_variance])
        p = Gaussian(mean, log_variance)
        loss = tf.reduce_sum(gaussian.discretised_log_likelihood(VALUES, p))
    for gradient in tape.gradient(loss, [mean, log_variance]):
        assert np.isfinite(gradient).all() and gradient.numpy().any()
