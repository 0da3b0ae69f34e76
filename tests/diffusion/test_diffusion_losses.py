"""What training minimises, against closed forms and a float64 reference."""

import math
from typing import get_args

import numpy as np
import pytest
import reference_diffusion as reference
import tensorflow as tf

from pdm_tf.config import Weighting
from pdm_tf.diffusion import NoiseSchedule, gaussian, losses

SCHEDULE = NoiseSchedule.linear()
TIMESTEPS = [0, 0, 1, 2, 10, 100, 396, 700, 999]
CLOSED_FORMS = {  # of alpha
    "sqrt_snr": lambda a: math.sqrt(a / (1 - a)),
    "snr": lambda a: a / (1 - a),
    "snr+1": lambda a: 1 / (1 - a),
    "truncated_snr": lambda a: max(a / (1 - a), 1.0),
    "min_snr": lambda a: min(a / (1 - a), 5.0),
    "p2": lambda a: a / math.sqrt(1 - a),
    "uniform": lambda a: 1.0,
    # Of 1 / (1 - t) with alpha = t² / (t² + (1 - t)²).
    "velocity": lambda a: min(1 + math.sqrt(a / (1 - a)), 20.0) ** 2,
}


def example(schedule=SCHEDULE, timesteps=TIMESTEPS, error=0.1, shape=(3, 4, 2)):
    """Pictures, noisy pictures, estimates that err a little, variances, levels."""
    rng = np.random.default_rng(0)
    size = (len(timesteps), *shape)
    x = np.float32(rng.integers(0, 256, size) / 127.5 - 1)
    x[0, 0, 0], x[1, 0, 0] = -1.0, 1.0  # the outermost bins
    level = schedule.level(timesteps)
    z = gaussian.noised(x, np.float32(rng.normal(size=size)), level.per_pixel())
    denoised = x + np.float32(error * rng.normal(size=size))
    variance = np.float32(rng.uniform(size=size))
    return x, z, denoised, variance, level


def vlb(schedule, x, z, denoised, variance, level):
    return losses.vlb_loss(schedule, z, x, denoised, variance, level)


# --- L_simple -------------------------------------------------------------------------


def test_every_weight_that_can_be_chosen_has_a_closed_form_here():
    assert set(CLOSED_FORMS) == set(get_args(Weighting))


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_weights_are_their_closed_forms(name):
    alpha, _ = reference.alphas(SCHEDULE.betas)
    weight = losses.weight(name, SCHEDULE.level(np.arange(1000)))
    wanted = [CLOSED_FORMS[name](a) for a in alpha]
    assert weight.shape == [1000] and weight.dtype == tf.float32
    np.testing.assert_allclose(weight, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "prediction"), [("snr", "eps"), ("snr+1", "v"), ("uniform", "x")]
)
def test_some_weights_make_the_error_in_eps_or_v_even(name, prediction):
    x, z, denoised, _, level = example(timesteps=[1, 10, 100, 396, 700, 950])
    wide = level.per_pixel()
    of = {
        "x": lambda x: x,
        "eps": lambda x: gaussian.eps_from_x(z, x, wide),
        "v": lambda x: gaussian.v_from_x(z, x, wide),
    }[prediction]
    error = np.mean(np.square(of(denoised) - of(x)), axis=(1, 2, 3))
    loss = losses.simple_loss(x, denoised, level, name)
    np.testing.assert_allclose(loss, error, rtol=1e-3)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_simple_loss_is_the_weighted_mean_square_and_zero_at_the_truth(name):
    x, _, denoised, _, level = example()
    alpha, _ = reference.alphas(SCHEDULE.betas)
    for n, loss in enumerate(losses.simple_loss(x, denoised, level, name).numpy()):
        squares = [float(a - b) ** 2 for a, b in zip(x[n].flat, denoised[n].flat)]  # noqa: B905
        wanted = CLOSED_FORMS[name](alpha[TIMESTEPS[n]]) * sum(squares) / len(squares)
        assert loss == pytest.approx(wanted, rel=1e-4)
    assert not losses.simple_loss(x, x, level, name).numpy().any()


# --- L_vlb ----------------------------------------------------------------------------


@pytest.mark.parametrize("end", [0.02, 0.025])
@pytest.mark.parametrize("error", [0.0, 0.01, 0.1, 1.0])
def test_bound_equals_float64_at_the_start_and_after(end, error):
    schedule = NoiseSchedule.linear(beta_end=end)
    values = example(schedule, error=error)
    got = vlb(schedule, *values)
    x, z, denoised, variance, _ = (np.float64(part) for part in (*values[:4], 0))
    for n, t in enumerate(TIMESTEPS):
        wanted = reference.bound(
            schedule.betas, t, z[n], x[n], denoised[n], variance[n]
        )
        assert float(got[n]) == pytest.approx(wanted, rel=2e-3, abs=2e-5), t


def test_bound_is_zero_where_model_and_posterior_agree():
    x, z, _, variance, level = example(timesteps=[1, 2, 10, 100, 396, 999])
    at_truth = vlb(SCHEDULE, x, z, x, np.ones_like(variance), level)
    np.testing.assert_allclose(at_truth, 0.0, atol=1e-6)
    elsewhere = vlb(SCHEDULE, x, z, x, np.zeros_like(variance), level)
    assert (elsewhere.numpy()[:5] > 1e-7).all() and elsewhere.numpy()[0] > 0.01


def test_bound_is_least_for_the_variance_that_the_error_asks_for():
    """Between the two variances the best grows with the error of the estimate."""
    shares = np.linspace(0, 1, 21)

    def best(error):
        x, z, denoised, variance, level = example(timesteps=[2] * 4, error=error)
        bounds = [
            float(
                tf.reduce_mean(vlb(SCHEDULE, x, z, denoised, variance * 0 + s, level))
            )
            for s in np.float32(shares)
        ]
        return shares[np.argmin(bounds)]

    assert best(0.0) == 1.0 and best(1.0) == 0.0
    assert 0 < best(0.012) < 1


def test_variances_of_the_reverse_step():
    alpha, before = reference.alphas(SCHEDULE.betas)
    level = SCHEDULE.level(np.arange(1000))
    log_beta, log_tilde = losses.reverse_variance(SCHEDULE, level)
    np.testing.assert_allclose(log_beta, np.log(SCHEDULE.betas), rtol=1e-7)
    tilde = [reference.bayes(0, 0, a, b)[1] for a, b in zip(alpha[1:], before[1:])]  # noqa: B905
    np.testing.assert_allclose(log_tilde[1:], np.log(tilde), rtol=1e-7)
    assert log_tilde[0] == log_tilde[1]  # 0 has none; its neighbour lends its own


# --- both -----------------------------------------------------------------------------


def each(x, z, denoised, variance, level):
    """Both losses of each picture."""
    simple = losses.simple_loss(x, denoised, level, "sqrt_snr")
    return np.stack([simple, vlb(SCHEDULE, x, z, denoised, variance, level)])


def test_losses_of_a_picture_do_not_depend_on_its_batch():
    x, z, denoised, variance, level = example()
    together = each(x, z, denoised, variance, level)
    assert together.shape == (2, len(TIMESTEPS))
    for n in range(len(TIMESTEPS)):
        one = slice(n, n + 1)
        alone = each(
            x[one], z[one], denoised[one], variance[one], SCHEDULE.level([TIMESTEPS[n]])
        )
        np.testing.assert_allclose(alone[:, 0], together[:, n], rtol=1e-5, atol=1e-7)


def test_losses_do_not_grow_with_the_picture():
    x, z, denoised, variance, level = example()

    def tiled(x):
        return np.tile(x, (1, 3, 2, 1))

    large = each(*(tiled(part) for part in (x, z, denoised, variance)), level)
    np.testing.assert_allclose(large, each(x, z, denoised, variance, level), rtol=1e-4)


def test_eager_graph_and_xla_agree():
    x, z, denoised, variance, level = example()
    wanted = vlb(SCHEDULE, x, z, denoised, variance, level)
    for jit in (False, True):
        compute = tf.function(
            lambda *values: vlb(SCHEDULE, *values[:4], SCHEDULE.level(values[4])),
            jit_compile=jit,
        )
        got = compute(x, z, denoised, variance, tf.constant(TIMESTEPS))
        np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=1e-5)


def test_gradients_are_finite_at_every_level():
    x, z, denoised, variance, level = example()
    for share in (0.0, 1.0, variance):
        learned = tf.constant(np.zeros_like(variance) + share)
        with tf.GradientTape() as tape:
            tape.watch(learned)
            loss = vlb(SCHEDULE, x, z, denoised, learned, level)
        gradient = tape.gradient(loss, learned)
        assert np.isfinite(gradient).all()
        assert (np.abs(gradient).max(axis=(1, 2, 3)) > 0).all()
