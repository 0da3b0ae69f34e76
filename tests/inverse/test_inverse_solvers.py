"""Laws of the solvers, on pictures whose posterior is known."""

import numpy as np
import pytest
import tensorflow as tf
from normal import Normal, matrix, posterior
from toys import GaussianToy, MixtureToy

from pdm_tf.config import inverse as settings
from pdm_tf.denoisers import Denoiser, Prediction, guided, split
from pdm_tf.denoisers.callback import CallbackDenoiser
from pdm_tf.editing.inpaint import inpaint
from pdm_tf.editing.super_resolve import super_resolve
from pdm_tf.errors import InputError
from pdm_tf.inverse import ddnm, dps, ilvr, pigdm, red_diff, repaint
from pdm_tf.inverse.operators import open_operator
from pdm_tf.inverse.operators.masks import Mask
from pdm_tf.inverse.problem import Problem, check_gradient, residual
from pdm_tf.samplers import DDIM, DDPM, sample

SHAPE = (4, 4, 1)
SOLVERS = {
    m.__name__.rpartition(".")[2]: m
    for m in (red_diff, dps, pigdm, ddnm, repaint, ilvr)
}
TOY = MixtureToy(image_shape=SHAPE)
GRID = TOY.schedule.grid(40)
TRUTH = sample(TOY, DDIM(), TOY.schedule.grid(100), [99], SHAPE)


def problem_of(text, truth=TRUTH, sigma=0.0, seed=0):
    operator = open_operator(text, tuple(truth.shape[1:]), seed, sigma)
    return Problem(operator, operator.measure(truth, [seed]))


def solved(name, denoise, problem, seeds=range(3), grid=GRID, **changes):
    solver = SOLVERS[name]
    return solver.solve(denoise, problem, grid, seeds, solver.Config(**changes))


def size(x):
    return float(np.sqrt(np.mean(np.square(x))))


# --- RED-diff -------------------------------------------------------------------------


def fixed_point(prior, problem, weight):
    """Where the mean slope over all levels vanishes, by its closed form."""
    h, n = matrix(problem.operator), problem.operator.size
    alphas = np.exp(prior.schedule.log_alpha)
    values = prior.values.astype(np.float64)
    shares = np.mean([(1 - a) / (a * values + 1 - a) for a in alphas], axis=0)
    pull = weight / n * prior.axes.astype(np.float64) * shares @ prior.axes.T
    data = h.T @ h / len(h)
    y = np.ravel(problem.y) - h @ prior.mean
    return prior.mean + np.linalg.solve(data + pull, h.T @ y / len(h))


@pytest.mark.parametrize("text", ["random_mask:0.5", "downsample:2", "blur:gaussian,1"])
def test_red_diff_rests_at_its_fixed_point_which_is_not_the_posterior_mean(text):
    prior = Normal.drawn(SHAPE)
    problem = problem_of(text, tf.random.stateless_normal([1, *SHAPE], [0, 1]))
    mu = fixed_point(prior, problem, weight=0.25)

    def slope(mu):
        """The mean over all levels; over the noise too, as the denoiser is linear."""
        mu = tf.constant(mu.reshape(1, *SHAPE), tf.float32)
        level = prior.schedule.level(range(1000))
        x = prior(level.per_pixel().signal * mu, level).x
        factor = red_diff.factor_of(
            settings.RedDiffConfig(weight=0.25), level.per_pixel()
        )
        slopes = red_diff.gradient(problem, mu, x, factor)
        return size(np.mean(slopes, axis=0))

    mean, _ = posterior(prior, matrix(problem.operator), np.ravel(problem.y), 1e-3)
    assert slope(mu) < 1e-7
    assert slope(mean) > 30 * slope(mu)
    assert size(mu - mean) > 0.1


def test_red_diff_comes_to_its_fixed_point():
    prior = Normal.drawn(SHAPE)
    truth = tf.random.stateless_normal([1, *SHAPE], [0, 1])
    problem = problem_of("random_mask:0.5", truth)
    order = np.random.default_rng(0).permutation(1000)  # uniform, in no order
    grid = prior.schedule.visiting(tf.constant(order, tf.int32))
    found = solved("red_diff", prior, problem, range(32), grid, rate=0.02, weight=0.25)
    wanted = fixed_point(prior, problem, weight=0.25)
    start = np.ravel(problem.operator.pinv(problem.y))
    mean = found.numpy().mean(axis=0).ravel()
    assert size(mean - wanted) < 0.1 * size(start - wanted)


def test_red_diff_needs_no_derivative_and_says_its_balance():
    callback = CallbackDenoiser(
        lambda z, t, _: tuple(v.numpy() for v in TOY(z, TOY.schedule.level(t))),
        *(SHAPE, 0, TOY.schedule),
    )
    problem = problem_of("box:0.5")
    ours = solved("red_diff", TOY, problem)
    np.testing.assert_allclose(solved("red_diff", callback, problem), ours, atol=1e-4)
    config = settings.RedDiffConfig(weight=0.25)
    assert red_diff.balance(problem, config) == 0.25 * 12 / 16
    with pytest.raises(InputError, match="dps needs derivatives"):
        check_gradient(callback, "dps")


@pytest.mark.parametrize("weighting", ["linear", "square", "clipped"])
def test_red_diff_fits_what_was_measured(weighting):
    problem = problem_of("random_mask:0.5")
    x = solved("red_diff", TOY, problem, weighting=weighting, weight=0.05)
    assert size(residual(problem, x)) < 0.1
    level = TOY.schedule.level(500)
    config = settings.RedDiffConfig(weighting="constant", weight=0.25)
    of_noise = red_diff.factor_of(config, level) * tf.exp(-0.5 * level.log_snr)
    assert float(of_noise) == pytest.approx(0.25, rel=1e-5)


# --- those that follow the posterior --------------------------------------------------


@pytest.mark.parametrize("t", [50, 400, 800])
def test_pigdm_is_exact_for_independent_pixels_of_variance_one(t):
    prior = Normal.drawn(SHAPE, spread=0)
    truth = tf.random.stateless_normal([1, *SHAPE], [0, 1])
    problem = problem_of("downsample:2", truth, sigma=0.3)
    level = prior.schedule.level(t)
    z = tf.random.stateless_normal([1, *SHAPE], [0, 2])
    h, a = matrix(problem.operator), float(level.alpha)
    both = np.concatenate([h / 0.3, np.eye(16) * np.sqrt(a / (1 - a))])
    seen = np.concatenate([np.ravel(problem.y) / 0.3, np.ravel(z) / np.sqrt(1 - a)])
    wanted, _ = posterior(prior, both, seen, 1.0)
    found = pigdm.PosteriorMean(prior, problem)(z, level).x
    np.testing.assert_allclose(np.ravel(found), wanted, atol=2e-5)


DISTANCES = {  # of the mean, of the standard deviations: from the exact posterior's
    "pigdm posterior": (0.06, 0.1),
    "pigdm paper": (0.2, 0.4),  # more certain than it may be
    "dps": (0.2, 0.55),
}


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("pigdm paper", "dps")]


@pytest.mark.parametrize("kind", ["pigdm posterior", *SLOW])
def test_samples_lie_where_the_posterior_is(kind):
    prior = Normal.drawn(SHAPE, spread=0)
    truth = tf.random.stateless_normal([1, *SHAPE], [0, 1])
    problem = problem_of("downsample:2", truth, sigma=0.3)
    name, _, rule = kind.partition(" ")
    config = {"rule": rule, "eta": float(rule == "paper")} if rule else {"scale": 0.3}
    grid = prior.schedule.grid(100)
    x = solved(name, prior, problem, range(400), grid, **config)
    x = np.reshape(x, [400, -1])
    h = matrix(problem.operator)
    mean, covariance = posterior(prior, h, np.ravel(problem.y), 0.3)
    rows = np.concatenate([h / np.linalg.norm(h[0]), np.eye(16)])
    stds = np.sqrt(np.diag(rows @ covariance @ rows.T))
    far = size(x.mean(axis=0) - mean), np.abs((x @ rows.T).std(axis=0) - stds).max()
    assert size(prior.mean - mean) > 0.4
    assert all(f < d for f, d in zip(far, DISTANCES[kind], strict=True))


# --- those that replace ---------------------------------------------------------------


@pytest.mark.parametrize("text", ["random_mask:0.5", "downsample:2", "compressed:0.3"])
def test_ddnm_gives_what_was_measured(text):
    problem = problem_of(text)
    x = solved("ddnm", TOY, problem)
    np.testing.assert_allclose(residual(problem, x), 0, atol=2e-6)
    assert size(x[0] - x[1]) > 0.05
    noisy = problem_of(text, sigma=0.2)
    left = size(residual(noisy, solved("ddnm", TOY, noisy)))
    assert 0.05 < left < 0.4


def test_editing_is_a_case_of_solving():
    hidden = np.zeros(SHAPE[:2], bool)
    hidden[:, 2:] = True
    operator = Mask(SHAPE, hidden)
    problem = Problem(operator, operator.forward(TRUTH))
    mask = hidden[None, :, :, None]
    for times, name in ((1, "ddnm"), (3, "repaint")):
        more = {"resamplings": times, "jump": 5} if times > 1 else {}
        ours = solved(name, TOY, problem, **more)
        theirs = inpaint(TOY, DDPM(), GRID, range(3), TRUTH, mask, times, 5)
        np.testing.assert_array_equal(ours, theirs)
    problem = problem_of("downsample:2")
    theirs = super_resolve(TOY, DDPM(), GRID, range(3), problem.y)
    np.testing.assert_allclose(solved("ddnm", TOY, problem), theirs, atol=1e-5)


def test_repaint_once_is_ddnm():
    problem = problem_of("downsample:2")
    once = solved("repaint", TOY, problem, resamplings=1)
    np.testing.assert_allclose(once, solved("ddnm", TOY, problem), atol=2e-6)


def test_what_pulls_by_nothing_is_free_sampling():
    problem = problem_of("random_mask:0.5")
    free = sample(TOY, DDPM(), GRID, range(3), SHAPE)
    np.testing.assert_array_equal(solved("ilvr", TOY, problem, until=0.0), free)
    np.testing.assert_array_equal(solved("dps", TOY, problem, scale=0.0), free)
    deaf = problem_of("random_mask:0.5", sigma=1e4)
    for name in ("ddnm", "pigdm"):
        grid = TOY.schedule.grid(10)
        more = {"eta": 0.0} if name == "pigdm" else {"sampler": "ddim"}
        found = solved(name, TOY, deaf, grid=grid, **more)
        free = sample(TOY, DDIM(), grid, range(3), SHAPE)
        np.testing.assert_allclose(found, free, atol=1e-3)


def test_ilvr_has_the_measurement_to_the_end_and_takes_linear_ones_alone():
    problem = problem_of("downsample:2")
    assert size(residual(problem, solved("ilvr", TOY, problem))) < 0.05
    half = size(residual(problem, solved("ilvr", TOY, problem, until=0.5)))
    assert half > 0.05
    with pytest.raises(InputError, match="linear"):
        solved("ilvr", TOY, problem_of("hdr:2"))


# --- all ------------------------------------------------------------------------------

KINDS = {
    "guided": guided(MixtureToy(shift=0.2, image_shape=SHAPE), [1] * 3, weight=2.0),
    "split": split(TOY, GaussianToy(image_shape=SHAPE), snr=0.25),
}


@pytest.mark.parametrize(
    "kind", ["guided", pytest.param("split", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "name",
    [
        "red_diff",
        "pigdm",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("dps", "ddnm", "repaint", "ilvr")
        ),
    ],
)
def test_every_solver_takes_guided_and_split_models(name, kind):
    problem = problem_of("random_mask:0.5")
    x = solved(name, KINDS[kind], problem, grid=TOY.schedule.grid(20))
    assert x.shape == (3, *SHAPE) and np.isfinite(x).all()
    blank = problem.operator.pinv(problem.y)
    assert size(x - TRUTH) < 2 * size(blank - TRUTH)


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLVERS)
def test_a_picture_is_the_same_in_every_batch(name):
    problem = problem_of("random_mask:0.5")
    grid = TOY.schedule.grid(10)
    both = solved(name, TOY, problem, [7, 8], grid)
    np.testing.assert_allclose(
        solved(name, TOY, problem, [8], grid)[0], both[1], atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLVERS)
def test_every_picture_may_have_a_measurement_of_its_own(name):
    operator = open_operator("random_mask:0.5", SHAPE, 0)
    truths = sample(TOY, DDIM(), GRID, [1, 2], SHAPE)
    ys = operator.forward(truths)
    grid = TOY.schedule.grid(10)
    both = solved(name, TOY, Problem(operator, ys), [7, 8], grid)
    alone = solved(name, TOY, Problem(operator, ys[1:]), [8], grid)
    np.testing.assert_allclose(alone[0], both[1], atol=1e-5)


class Rounded(Denoiser):
    """An estimate of whole numbers, but for a part that is z's own."""

    image_shape, num_classes, schedule = SHAPE, 0, TOY.schedule

    def __call__(self, z, level):
        x = TOY(z, level).x
        x = 0.005 * z + tf.round(x * 64) / 64
        return Prediction(x, tf.ones_like(x))


def test_models_without_derivatives_are_known():
    check_gradient(TOY, "dps")
    for kind in KINDS.values():
        check_gradient(kind.denoise if hasattr(kind, "denoise") else kind, "dps")
    with pytest.raises(InputError, match="pigdm needs derivatives"):
        check_gradient(Rounded(), "pigdm")
