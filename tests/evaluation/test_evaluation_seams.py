"""Seam energy against naive loops, and on pictures made of patches."""

import numpy as np
import pytest

from pdm_tf.evaluation.metrics.seams import ratio_of_sums, seam_energy, seam_sums


def naive(picture: np.ndarray, patch_size: int) -> tuple[float, float]:
    across, elsewhere = [], []
    height, width, channels = picture.shape
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                for place, ny, nx in ((y + 1, y + 1, x), (x + 1, y, x + 1)):
                    if ny < height and nx < width:
                        step = abs(int(picture[y, x, c]) - int(picture[ny, nx, c]))
                        (across if place % patch_size == 0 else elsewhere).append(step)
    return np.mean(across), np.mean(elsewhere)


def noise(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


@pytest.mark.parametrize("shape", [(8, 8, 1), (12, 8, 3), (9, 10, 1)])
@pytest.mark.parametrize("patch_size", [2, 3, 4])
def test_equals_naive(shape, patch_size):
    pictures = noise(3, *shape)
    expected = [naive(picture, patch_size) for picture in pictures]
    np.testing.assert_allclose(seam_sums(pictures, patch_size), expected, rtol=1e-12)


@pytest.mark.parametrize("patch_size", [2, 4, 8])
def test_one_where_patches_leave_no_trace(patch_size):
    sums = seam_sums(noise(200, 32, 32, 1), patch_size)
    assert ratio_of_sums(sums) == pytest.approx(1, abs=0.02)


def test_finds_the_patches_that_made_a_picture():
    """Smooth patches of side 4 with levels of their own."""
    levels = noise(20, 8, 8, 1).repeat(4, axis=1).repeat(4, axis=2) // 2
    pictures = levels + noise(20, 32, 32, 1, seed=1) // 32
    assert seam_energy(pictures, 4) > 5
    assert seam_energy(pictures, 3) < 1.5


def test_invariant_to_inversion_and_grey_level():
    pictures = noise(5, 16, 16, 1) // 2
    expected = seam_sums(pictures, 4)
    np.testing.assert_array_equal(seam_sums(255 - pictures, 4), expected)
    np.testing.assert_array_equal(seam_sums(pictures + 100, 4), expected)


def test_undefined_for_one_colour():
    assert np.isnan(seam_energy(np.full((2, 8, 8, 1), 9, np.uint8), 4))
