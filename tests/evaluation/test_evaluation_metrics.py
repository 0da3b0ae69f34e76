"""Metrics as functions of arrays: closed forms, identities and naive references."""

import numpy as np
import pytest

from pdm_tf.data.images import to_float, to_uint8
from pdm_tf.data.sources import open_source
from pdm_tf.evaluation import metrics
from pdm_tf.evaluation.features import Features, open_features


class Pixels:
    """Features that are the pixels themselves: distances follow by hand."""

    name, sizes = "pixels", (2, 1)

    def describe(self):
        return {}

    def __call__(self, pictures):
        rows = pictures.reshape(len(pictures), -1).astype(np.float32)
        return Features(rows, rows[:, :1], None)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(20, 230, (40, 16, 16, 1), np.uint8)


# --- Fréchet distance -----------------------------------------------------------------


def pairs(seed, count, shift=0):
    """Pictures of 1x2 pixels."""
    drawn = np.random.default_rng(seed).normal(100 + shift, 20, (count, 1, 2, 1))
    return np.clip(np.rint(drawn), 0, 255).astype(np.uint8)


def test_shifting_a_set_moves_it_by_the_square_of_the_shift():
    x = pairs(0, 500)
    assert metrics.frechet(x, x + 3, Pixels()) == pytest.approx(2 * 3**2, rel=1e-9)


def test_frechet_is_the_closed_form_for_two_gaussians():
    x, y = pairs(0, 50_000), pairs(1, 50_000, shift=10)
    assert metrics.frechet(x, y, Pixels()) == pytest.approx(200, rel=0.03)


def test_batches_arrays_and_gaussians_are_the_same_set(pictures):
    x, y, extract = pictures[:25], pictures[25:], open_features("random")
    expected = metrics.frechet(x, y, extract)
    batches = (x[i : i + 7] for i in range(0, 25, 7))
    known = metrics.gaussian_of(y, extract)
    assert metrics.frechet(batches, known, extract) == pytest.approx(expected, rel=1e-4)


# --- distortion -----------------------------------------------------------------------


@pytest.mark.parametrize("offset", [1, 4, 20])
def test_psnr_of_a_constant_offset(pictures, offset):
    wanted = 20 * np.log10(255 / offset)
    found = metrics.psnr(pictures, pictures + np.uint8(offset))
    assert found == pytest.approx(wanted, abs=1e-4)


def test_psnr_is_the_mean_over_pictures(pictures):
    altered = np.concatenate([pictures[:20] + 1, pictures[20:] + 10]).astype(np.uint8)
    halves = [
        metrics.psnr(pictures[rows], altered[rows])
        for rows in (slice(20), slice(20, None))
    ]
    assert metrics.psnr(pictures, altered) == pytest.approx(np.mean(halves), rel=1e-12)


@pytest.mark.parametrize("scale", [0.5, 0.1, 0.001])
def test_sqnr_of_noise_that_is_the_signal_scaled(pictures, scale):
    x = to_float(pictures)
    found = metrics.sqnr(x, x * (1 + scale))
    assert found == pytest.approx(-20 * np.log10(scale), abs=1e-3)


def test_sqnr_is_of_the_whole_set_and_not_a_mean_of_pictures():
    x = np.stack([np.full((4, 4, 1), 1.0), np.full((4, 4, 1), 0.5)])
    y = x + np.array([0.1, 0.2])[:, None, None, None]
    wanted = 10 * np.log10((1.0 + 0.25) / (0.01 + 0.04))
    assert metrics.sqnr(x, y) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("step", [1, 2, 10])
def test_centred_sqnr_of_noise_of_a_known_power(pictures, step):
    signs = np.random.default_rng(1).choice([-step, step], pictures.shape)
    noisy = (pictures + signs).astype(np.uint8)
    wanted = 10 * np.log10(pictures.var() / step**2)
    assert metrics.sqnr(pictures, noisy, centred=True) == pytest.approx(
        wanted, abs=1e-3
    )


def test_a_constant_background_is_no_signal_when_centred(pictures):
    def of(x):
        return metrics.sqnr(x, x + np.uint8(1), centred=True)

    assert of(pictures) == pytest.approx(of(pictures - np.uint8(15)), abs=1e-3)


def test_ssim_of_one_constant_and_another():
    """Without structure it is (2ab + C1) / (a^2 + b^2 + C1), C1 = (K1 L)^2."""
    x, y = np.full((1, 16, 16, 1), 0.5), np.full((1, 16, 16, 1), 0.8)
    c1 = (0.01 * 2) ** 2
    wanted = (2 * 0.5 * 0.8 + c1) / (0.5**2 + 0.8**2 + c1)
    assert metrics.ssim(x, y) == pytest.approx(wanted, rel=1e-6)


def test_ssim_falls_as_noise_grows(pictures):
    noise = np.random.default_rng(1).normal(size=pictures.shape)
    x = to_float(pictures)
    found = [metrics.ssim(x, x + s * noise) for s in (0.05, 0.2, 0.8)]
    assert 1 > found[0] > found[1] > found[2] > -1


@pytest.mark.parametrize(
    "metric, perfect",
    [(metrics.psnr, np.inf), (metrics.sqnr, np.inf), (metrics.ssim, 1.0)],
)
def test_equal_pictures_are_perfect_as_bytes_and_as_floats(pictures, metric, perfect):
    assert metric(pictures, pictures) == pytest.approx(perfect)
    assert metric(pictures, to_float(pictures)) == pytest.approx(perfect)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.sqnr])
def test_bytes_and_floats_of_the_same_pictures_agree(pictures, metric):
    other = to_uint8(to_float(pictures) * np.float32(0.9))
    expected = metric(to_float(pictures), to_float(other))
    assert metric(pictures, other) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.sqnr, metrics.ssim])
def test_pictures_that_do_not_pair_are_refused(pictures, metric):
    with pytest.raises(ValueError, match="do not compare"):
        metric(pictures, pictures[:3])


# --- sets and classes -----------------------------------------------------------------


def test_precision_and_recall_change_places_with_the_sets():
    x, y = pairs(0, 60), pairs(1, 40, shift=30)
    precision, recall = metrics.precision_recall(x, y, Pixels())
    assert metrics.precision_recall(y, x, Pixels()) == (recall, precision)
    assert 0 < precision < 1
    assert metrics.precision_recall(x, x, Pixels()) == (1, 1)


def test_accuracy_counts_digits_read_as_asked():
    digits, labels = open_source("mnist", (32, 32, 1), 10, "test").read(np.arange(300))
    found = metrics.accuracy(digits, labels)
    assert found > 0.95
    wrong = (labels + 1) % 10
    mixed = np.concatenate([labels[:150], wrong[150:]])
    halves = [metrics.accuracy(digits[:150], labels[:150])]
    halves.append(metrics.accuracy(digits[150:], wrong[150:]))
    assert metrics.accuracy(digits, mixed) == pytest.approx(np.mean(halves))
    assert halves[1] < 0.05


def test_inception_score_of_sure_and_unsure_classifiers():
    sure = np.eye(10)[np.arange(1000) % 10]
    assert metrics.inception_score(sure) == pytest.approx(10, rel=1e-12)
    assert metrics.inception_score(np.full((50, 10), 0.1)) == pytest.approx(1)
