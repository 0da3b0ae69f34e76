"""Composing around a seed: the cycle's statistics, and its limits."""

import numpy as np
import pytest
import tensorflow as tf
from toys import GaussianToy

from pdm_tf.denoisers import Denoiser, Prediction
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.editing.compose import Cyclic, compose, evaluations_of, inverted_levels
from pdm_tf.errors import InputError
from pdm_tf.samplers import DDIM, encode, integrate, invertible, sample_from
from pdm_tf.samplers.noise import SeededNoise

SHAPE = (4, 4, 1)
LEVELS = (0.7, 0.5, 0.15)
RNG = np.random.default_rng(0)


class White(Denoiser):
    """The exact denoiser of independent standard normal pixels."""

    image_shape, num_classes, schedule = (64, 64, 1), 0, NoiseSchedule.linear()

    def __call__(self, z, level):
        return Prediction(level.per_pixel().signal * z, tf.ones_like(z))


def nothing_kept(grid, shape, turn):
    mask = tf.ones([1, *shape[:2], 1], bool)
    kept = type(grid)(*(values[:1] for values in grid))
    return Cyclic(kept, tf.zeros([1, 1, *shape]), mask, turn, 0.0)


@pytest.mark.parametrize("steps, wanted", [(1, 0.934), (5, 0.982)])
def test_ten_cycles_of_ancestral_variance_lose_as_much_as_they_must(steps, wanted):
    """The variance of the reverse step is beta-tilde alone: Var(x | z) is missing."""
    denoise = White()
    t = np.linspace(700, 500, steps + 1).round().astype(np.int32)
    places = np.concatenate([[500], np.tile(t, 10)])
    grid = denoise.schedule.visiting(tf.constant(places, tf.int32))
    z = SeededNoise(range(60), denoise.image_shape)(99_999)
    sampler = nothing_kept(grid, denoise.image_shape, np.inf)
    found = integrate(denoise, sampler, grid, range(60), z).numpy()
    assert found.var() / z.numpy().var() == pytest.approx(wanted, abs=0.006)
    assert abs(found.mean()) < 0.01


def test_going_up_keeps_the_marginal_of_the_noisier_level():
    denoise, x = GaussianToy(image_shape=(64, 64, 1)), 0.3
    grid = denoise.schedule.visiting(tf.constant([500, 700]))
    eps = SeededNoise(range(8), denoise.image_shape)(7)
    z = grid.level(0).signal * x + grid.level(0).noise * eps
    sampler = nothing_kept(grid, denoise.image_shape, np.inf)
    found = integrate(denoise, sampler, grid, range(8), z).numpy()
    to = grid.level(1)
    assert found.mean() == pytest.approx(float(to.signal) * x, abs=0.02)
    assert found.std() == pytest.approx(float(to.noise), rel=0.02)


@pytest.fixture(scope="module")
def given():
    denoise = GaussianToy()
    x = tf.constant(0.5 * RNG.normal(size=(1, *SHAPE)), tf.float32)
    return denoise, denoise.schedule.grid(20), x


def test_the_levels_of_the_inversion_are_those_of_encode(given):
    denoise, grid, x = given
    within = invertible(grid)
    found = inverted_levels(denoise, within, x)
    wanted = encode(denoise, within, [0], x)
    np.testing.assert_allclose(found[0], wanted, atol=1e-5)


def test_without_cycles_and_with_nothing_to_paint_it_is_inverted_and_decoded(given):
    denoise, grid, x = given
    mask = tf.zeros([1, *SHAPE[:2], 1], bool)
    found = compose(
        denoise, denoise, grid, [3], x, mask, 0, levels=LEVELS, late_eta=0.0
    )
    within = invertible(grid)
    z = encode(denoise, within, [0], x)
    wanted = sample_from(denoise, DDIM(), within, [0], z)
    np.testing.assert_allclose(found, wanted, atol=0.02)


def test_with_everything_to_paint_the_seed_is_never_put_in_place(given):
    denoise, grid, x = given
    mask = tf.ones([1, *SHAPE[:2], 1], bool)
    one, other = (
        compose(denoise, denoise, grid, [3], seed, mask, 2, levels=LEVELS)
        for seed in (x, -x)
    )
    np.testing.assert_array_equal(one, other)


def test_it_costs_what_is_said(given):
    _, grid, x = given
    calls: list[int] = []

    class Counting(GaussianToy):
        def __call__(self, z, level):
            tf.numpy_function(lambda: calls.append(0), [], [])
            return super().__call__(z, level)

    counting = Counting()
    mask = np.zeros((1, *SHAPE[:2], 1), bool)
    mask[:, :2] = True
    found = compose(counting, counting, grid, range(3), x, mask, 2, levels=LEVELS)
    assert found.shape == (3, *SHAPE)
    assert len(calls) == evaluations_of(grid, 2, LEVELS)


@pytest.mark.parametrize("levels", [(0.5, 0.7, 0.2), (0.7, 0.7, 0.2), (0.7, 0.5, 0.5)])
def test_levels_that_do_not_fall_are_refused(given, levels):
    denoise, grid, x = given
    with pytest.raises(InputError, match="levels"):
        compose(denoise, denoise, grid, [0], x, x > 0, levels=levels)
