"""Laws of the recipes, on data whose best denoiser is known."""

import numpy as np
import pytest
import tensorflow as tf
from quick import cases
from toys import CorrelatedToy, GaussianToy, MixtureToy

from pdm_tf.config import InputError
from pdm_tf.denoisers import guided, split
from pdm_tf.editing.inpaint import inpaint
from pdm_tf.editing.interpolate import evenly_spaced, interpolate, slerp
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.editing.super_resolve import shrink, super_resolve
from pdm_tf.editing.variations import variations
from pdm_tf.inverse.repaint import Resampled, resampled_grid
from pdm_tf.samplers import DDIM, DDPM, SAMPLERS, invertible, sample

SHAPE = (8, 8, 1)
TOY = MixtureToy(image_shape=SHAPE)
GRID = TOY.schedule.grid(40)
SEEDS = range(16)
PICTURE = sample(TOY, DDIM(), TOY.schedule.grid(250), [99], SHAPE)
MASK = np.zeros((1, 8, 8, 1), bool)
MASK[:, :, 4:] = True


def distance(x, y):
    return float(tf.sqrt(tf.reduce_mean(tf.square(x - y))))


KINDS = {
    "plain": TOY,
    "guided": guided(
        MixtureToy(shift=0.2, image_shape=SHAPE), [1] * len(SEEDS), weight=2.0
    ),
    "split": split(TOY, GaussianToy(image_shape=SHAPE), snr=0.25),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", cases(SAMPLERS, ("ddpm", "heun", "plms")))
def test_known_pixels_are_kept_exactly(name, kind):
    sampler = SAMPLERS[name]()
    for times in (1, 2):
        x = inpaint(KINDS[kind], sampler, GRID, SEEDS, PICTURE, MASK, times).numpy()
        kept = ~np.broadcast_to(MASK, x.shape)
        assert (x[kept] == np.broadcast_to(PICTURE, x.shape)[kept]).all()
        assert np.isfinite(x).all()
        assert distance(x[:1], x[1:2]) > 0.01


def test_nothing_to_paint_is_the_picture_and_everything_is_sampling():
    nothing, everything = np.zeros_like(MASK), np.ones_like(MASK)
    x = inpaint(TOY, DDPM(), GRID, SEEDS, PICTURE, nothing)
    assert (x.numpy() == PICTURE.numpy()).all()
    x = inpaint(TOY, DDPM(), GRID, SEEDS, PICTURE, everything)
    y = sample(TOY, DDPM(), GRID, SEEDS, SHAPE)
    np.testing.assert_allclose(x, y, rtol=0, atol=2e-6)


def test_resampling_makes_what_is_painted_fit():
    # The right half repeats the left with correlation 0.95: so should what is painted.
    toy = CorrelatedToy(image_shape=SHAPE)
    grid, seeds = toy.schedule.grid(100), range(64)
    picture = sample(toy, DDIM(), grid, seeds, SHAPE)
    mirrored = picture[:, :, :4][:, :, ::-1]
    fits = []
    for times in (1, 3, 10):
        x = inpaint(toy, DDPM("small"), grid, seeds, picture, MASK, times, 4)[:, :, 4:]
        fits.append(np.corrcoef(np.ravel(x), np.ravel(mirrored))[0, 1])
    assert fits[0] < fits[1] < fits[2]
    assert fits[0] < 0.85
    assert fits[2] == pytest.approx(toy.rho, abs=0.02)


@pytest.mark.parametrize("times, jump", [(1, 10), (2, 10), (3, 7), (4, 1), (2, 100)])
def test_resampling_walks_each_stretch_as_often_as_asked(times, jump):
    t = resampled_grid(GRID, times, jump).t.numpy().tolist()
    place = {int(level): i for i, level in enumerate(GRID.t.numpy())}
    moves = np.diff([place[level] for level in t])
    assert (t[0], t[-1]) == (999, 0)
    assert set(moves[moves > 0]) == {1}
    assert (moves > 0).sum() == times * (GRID.size - 1)
    stretches = -(-(GRID.size - 1) // jump)
    assert (moves < 0).sum() == (times - 1) * stretches
    assert ((moves > 0) | (moves < -jump + 1)).sum() >= len(moves) - times


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_grid_that_only_falls_is_sampled_as_ever(name):
    sampler = SAMPLERS[name]()
    x = sample(TOY, Resampled(sampler), GRID, SEEDS, SHAPE)
    y = sample(TOY, sampler, GRID, SEEDS, SHAPE)
    np.testing.assert_allclose(x, y, rtol=0, atol=2e-6)


# lcm draws all noise anew in each step, wherever it begins.
@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "lcm"])
def test_sdedit_lies_between_its_input_and_free_sampling(name):
    sampler = SAMPLERS[name]()
    none = sdedit(TOY, sampler, GRID, SEEDS, PICTURE, 0.0)
    assert (none.numpy() == PICTURE.numpy()).all()
    all_of_it = sdedit(TOY, sampler, GRID, SEEDS, PICTURE, 1.0)
    assert (all_of_it.numpy() == sample(TOY, sampler, GRID, SEEDS, SHAPE).numpy()).all()
    moved = [
        distance(sdedit(TOY, sampler, GRID, SEEDS, PICTURE, strength), PICTURE)
        for strength in (0.1, 0.25, 0.4, 0.6)
    ]
    assert 0.0 < moved[0] < moved[1] < moved[2] < moved[3]


def test_strength_has_bounds():
    for strength in (-0.1, 1.1):
        with pytest.raises(InputError, match="strength"):
            sdedit(TOY, DDPM(), GRID, SEEDS, PICTURE, strength)
        with pytest.raises(InputError, match="strength"):
            variations(TOY, GRID, SEEDS, PICTURE, strength)


@pytest.mark.parametrize("name", cases(SAMPLERS, ("ddpm", "heun", "plms")))
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_large_pictures_shrink_to_the_small_one(name, factor):
    small = shrink(PICTURE, factor)
    x = super_resolve(TOY, SAMPLERS[name](), GRID, SEEDS, small)
    assert x.shape == (len(SEEDS), *SHAPE)
    again = shrink(x, factor)
    np.testing.assert_allclose(again, tf.broadcast_to(small, again.shape), atol=1e-6)
    assert distance(x[0], x[1]) > 0.05


@pytest.mark.parametrize("size", [(3, 3), (4, 2), (16, 16)])
def test_sizes_that_do_not_match_are_refused_with_those_that_do(size):
    with pytest.raises(InputError, match="4x4 or 2x2 or 1x1"):
        super_resolve(TOY, DDPM(), GRID, SEEDS, tf.zeros([1, *size, 1]))


def test_slerp_keeps_ends_and_length():
    a, b = np.random.default_rng(0).standard_normal((2, 1, 8, 8, 1)).astype(np.float32)
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(slerp(a, b, 0.0), a, atol=1e-6)
    np.testing.assert_allclose(slerp(a, b, 1.0), b, atol=1e-6)
    for share in (0.2, 0.5, 0.7):
        middle = slerp(a, b, share)
        assert np.linalg.norm(middle) == pytest.approx(np.linalg.norm(a), rel=1e-5)
        np.testing.assert_allclose(middle, slerp(b, a, 1.0 - share), atol=1e-6)
    np.testing.assert_allclose(slerp(a, a, 0.3), a, rtol=1e-4)


def test_interpolation_goes_from_one_picture_to_the_other():
    second = sample(TOY, DDIM(), TOY.schedule.grid(250), [5], SHAPE)
    shares = np.linspace(0.0, 1.0, 9).tolist()
    x = interpolate(TOY, GRID, PICTURE, second, shares, iterations=4)
    np.testing.assert_allclose(x[:1], PICTURE, atol=1e-5)  # what encoding loses, too
    np.testing.assert_allclose(x[-1:], second, atol=1e-5)
    gone = [distance(x[i], PICTURE) for i in range(9)]
    left = [distance(x[i], second) for i in range(9)]
    assert gone == sorted(gone)
    assert left == sorted(left, reverse=True)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 20])
def test_neighbours_on_a_path_differ_evenly_where_even_steps_of_noise_jump(count):
    asked = []

    def path(shares):  # nearly all of its change lies about share 0.7
        asked.extend(shares)
        x = 1 / (1 + np.exp(-60 * (np.asarray(shares) - 0.7)))
        return np.stack([x, x**2], 1)

    x = evenly_spaced(path, count)
    assert len(x) == count and (x[0] == path([0.0])[0]).all()
    if count > 1:
        assert (x[-1] == path([1.0])[0]).all()
        steps = np.linalg.norm(np.diff(x, axis=0), axis=1)
        whole = np.linalg.norm(x[-1] - x[0])
        assert steps.max() < 2.5 * whole / (count - 1)
        assert (np.diff(x[:, 0]) >= 0).all()
    assert len(asked) <= 7 * count + 2


def test_a_path_from_a_picture_to_itself_stands_still():
    x = evenly_spaced(lambda shares: np.zeros((len(shares), 2)), 5)
    assert x.shape == (5, 2)


def test_variations_go_from_the_picture_to_free_sampling():
    def varied(strength):
        return variations(TOY, GRID, SEEDS, PICTURE, strength, iterations=4)

    assert distance(varied(0.0), PICTURE) < 0.03
    free = sample(TOY, DDIM(), invertible(GRID), SEEDS, SHAPE)
    np.testing.assert_allclose(varied(1.0), free, rtol=0, atol=1e-4)
    moved = [distance(varied(strength), PICTURE) for strength in (0.1, 0.3, 0.5, 0.8)]
    assert moved == sorted(moved)
