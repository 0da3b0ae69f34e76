"""Random convolutions: fixed, for pictures of any shape, one at a time."""

import numpy as np
import pytest

from pdm_tf.config import InputError
from pdm_tf.evaluation.features import random_convolutions
from pdm_tf.evaluation.features.random_convolutions import RandomConvolutions


def noise(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


@pytest.mark.parametrize("shape", [(16, 16, 1), (33, 20, 3), (64, 64, 3)])
def test_sizes_for_any_shape(shape):
    extract = RandomConvolutions()
    found = extract(noise(3, *shape))
    assert (found.pooled.shape, found.spatial.shape) == tuple(
        (3, size) for size in extract.sizes
    )
    assert found.probabilities is None


def test_chunks_do_not_matter(monkeypatch):
    pictures = noise(5, 32, 32, 3)
    whole = RandomConvolutions()(pictures)
    monkeypatch.setattr(random_convolutions, "PIXELS", 2 * 32 * 32)
    parts = RandomConvolutions()(pictures)
    for rows, expected in zip(parts[:2], whole[:2], strict=True):
        np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)


def test_weights_are_fixed():
    """Another number would be another space, and no longer version 1."""
    kernel = random_convolutions._kernels(3)[1]
    assert kernel.shape == (3, 3, 32, 64)
    assert kernel[0, 0, 0, 0] == pytest.approx(0.0189493988, rel=1e-6)


def test_tells_pictures_apart():
    smooth = np.broadcast_to(np.arange(32, dtype=np.uint8)[:, None, None], (32, 32, 3))
    found = RandomConvolutions()(np.stack([smooth, noise(1, 32, 32, 3)[0]]))
    assert np.linalg.norm(found.pooled[0] - found.pooled[1]) > 1


def test_too_small_is_refused():
    with pytest.raises(InputError, match="16 pixels"):
        RandomConvolutions()(noise(1, 8, 32, 3))
