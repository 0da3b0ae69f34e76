"""The exact denoiser and what is read off it, against naive NumPy."""

from itertools import pairwise

import numpy as np
import pytest

from pdm_tf.analysis.blur import half_life
from pdm_tf.analysis.distortion import distortion, ratio_interval, squared_errors
from pdm_tf.analysis.frequencies import Energy, beyond_grid, spectrum
from pdm_tf.analysis.pictures import Estimating, noisy_pictures, optimal_denoiser
from pdm_tf.analysis.reconstructions import effective_count, posterior, reconstruct
from pdm_tf.data.images import to_float
from pdm_tf.diffusion import NoiseSchedule

SCHEDULE = NoiseSchedule.linear()
COUNT, SHAPE = 7, (8, 8, 1)


@pytest.fixture(scope="module")
def pictures():
    """Smooth pictures, so that their energy lies at low frequencies."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (COUNT, 4, 4, 1))
    fine = random.integers(-20, 20, (COUNT, *SHAPE))
    return np.clip(coarse.repeat(2, 1).repeat(2, 2) + fine, 0, 255).astype(np.uint8)


def naive_estimate(pictures, z, t):
    """Equation 4 by loops, in float64."""
    alpha = np.prod(1 - np.array(SCHEDULE.betas)[: t + 1])
    x = to_float(pictures).astype(np.float64)
    made = []
    for one in z.astype(np.float64):
        gaps = [((one - np.sqrt(alpha) * each) ** 2).sum() for each in x]
        logs = -np.array(gaps) / (2 * (1 - alpha))
        weights = np.exp(logs - logs.max())
        made.append(sum(w * each for w, each in zip(weights, x, strict=True)))
        made[-1] /= weights.sum()
    return np.stack(made)


@pytest.mark.parametrize("t", [0, 300, 700, 999])
def test_the_distortion_of_the_optimum_is_the_naive_one(pictures, t):
    estimates = Estimating(optimal_denoiser(pictures, SCHEDULE), pictures, 3)
    z = noisy_pictures(pictures, t, SCHEDULE).numpy()
    naive = naive_estimate(pictures, z, t)
    found = squared_errors(to_float(pictures), estimates.at(t))
    wanted = ((to_float(pictures) - naive) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-9)
    assert distortion(found) == pytest.approx(np.sqrt(wanted.mean()), rel=1e-4)


def test_estimates_do_not_depend_on_the_batch(pictures):
    denoise = optimal_denoiser(pictures, SCHEDULE)
    alone, together = (Estimating(denoise, pictures, size).at(600) for size in (1, 7))
    np.testing.assert_allclose(alone, together, atol=1e-6)


@pytest.mark.parametrize("t", [0, 500, 900])
def test_the_mean_of_reconstructions_is_the_optimum(pictures, t):
    z = noisy_pictures(pictures, t, SCHEDULE).numpy()
    weights = posterior(pictures, z, t, SCHEDULE, chunk_size=3)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    mean = np.tensordot(weights, to_float(pictures), 1)
    optimal = Estimating(optimal_denoiser(pictures, SCHEDULE), pictures, 9).at(t)
    np.testing.assert_allclose(mean, optimal, atol=1e-5)


def test_reconstructions_come_as_often_as_they_are_likely(pictures):
    weights = np.array([[0.7, 0.3, 0, 0, 0, 0, 0]])
    drawn = reconstruct(pictures, weights, 4000, seed=1)[0]
    shares = [(drawn == each).all(axis=(1, 2, 3)).mean() for each in pictures]
    np.testing.assert_allclose(shares, weights[0], atol=0.03)


def test_the_count_of_possible_pictures_runs_from_one_to_all(pictures):
    certain, even = np.eye(COUNT)[:1], np.full((1, COUNT), 1 / COUNT)
    np.testing.assert_allclose(effective_count(certain), 1)
    np.testing.assert_allclose(effective_count(even), COUNT)
    counts = [
        effective_count(
            posterior(
                pictures, noisy_pictures(pictures, t, SCHEDULE).numpy(), t, SCHEDULE
            )
        ).mean()
        for t in (100, 600, 800, 999)
    ]
    assert counts == sorted(counts) and counts[-1] > COUNT - 0.5


# --- frequencies ----------------------------------------------------------------------


def test_energy_is_the_mean_square():
    x = np.random.default_rng(0).normal(size=(5, 12, 8, 3))
    total = spectrum(x).sum(axis=(1, 2))
    np.testing.assert_allclose(total, np.square(x).sum(axis=3).mean(axis=(1, 2)))


@pytest.mark.parametrize("patch_size", [2, 4, 8])
def test_waves_as_fine_as_a_patch_are_beyond_its_grid(patch_size):
    place = np.arange(32)
    for length, high in ((2 * patch_size, False), (patch_size, True)):
        wave = np.cos(2 * np.pi * place / length)
        for x in (wave[None, :, None, None], wave[None, None, :, None]):
            x = np.broadcast_to(x, (1, 32, 32, 1))
            assert Energy.of(x, patch_size).share == pytest.approx(float(high))
    assert beyond_grid(32, 32, patch_size).mean() == pytest.approx(
        1 - ((32 // patch_size + 1) / 32) ** 2
    )


def test_a_grey_picture_has_no_share():
    assert Energy.of(np.full((2, 8, 8, 1), 0.5), 2).share == 0


def test_the_energy_of_the_optimum_falls_with_t(pictures):
    """E|x*|² falls at every frequency, since z tells less and less (Appendix A)."""
    many = pictures.repeat(64, axis=0)  # other noise for each copy
    estimates = Estimating(optimal_denoiser(pictures, SCHEDULE), many, 64)
    denoised = [estimates.at(t) for t in (0, 500, 700, 800, 999)]
    moved = [Energy.of(x - x.mean(axis=0), 2) for x in denoised]
    for before, after in pairwise(moved):
        assert after.low < before.low + 1e-6 and after.high < before.high + 1e-6
    assert moved[-1].high < 0.1 * moved[0].high


def test_half_lives_lie_on_the_line_between_rows():
    t = np.array([0.0, 100.0, 200.0])
    assert half_life(t, np.array([1.0, 0.75, 0.25])) == pytest.approx(150)
    assert half_life(t, np.array([0.4, 0.3, 0.2])) == 0
    assert half_life(t, np.array([1.0, 0.9, 0.8])) == 200


# --- ratios ---------------------------------------------------------------------------


def test_a_ratio_with_itself_is_one_and_sure():
    errors = np.random.default_rng(0).random(50)
    assert ratio_interval(errors, errors) == (1, 1, 1)


def test_pairs_make_a_ratio_surer_and_cover_the_truth():
    random = np.random.default_rng(0)
    hard = random.gamma(1.0, size=400)
    first, second = (
        hard * scale * random.uniform(0.9, 1.1, 400) for scale in (1.44, 1)
    )
    ratio, low, high = ratio_interval(first, second)
    assert low < 1.2 < high and low < ratio < high
    _, far_low, far_high = ratio_interval(first, random.permutation(second))
    assert far_high - far_low > 4 * (high - low)
