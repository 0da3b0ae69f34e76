"""The classifier in the package: as accurate as claimed, small, and safe to load."""

import numpy as np
import pytest

from pdm_tf.config import InputError
from pdm_tf.data.sources import open_source
from pdm_tf.evaluation.features import digits


@pytest.fixture(scope="module")
def held_out() -> tuple[np.ndarray, np.ndarray]:
    source = open_source("mnist", (32, 32, 1), split="test")
    return source.read(np.arange(len(source)))


def naive_forward(picture: np.ndarray) -> list[np.ndarray]:
    """The network in NumPy, for one picture [32, 32, 1]."""
    w = {k: v.astype(np.float64) for k, v in digits.load_weights().items()}
    x, spatial = picture / 255.0, None

    def pool(x, reduce):
        h, width, c = x.shape
        return reduce(x.reshape(h // 2, 2, width // 2, 2, c), axis=(1, 3))

    for name in digits.CONVOLUTIONS:
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        h, width, _ = x.shape
        x = sum(
            padded[i : i + h, j : j + width] @ w[f"{name}_kernel"][i, j]
            for i in range(3)
            for j in range(3)
        )
        x = np.maximum(x + w[f"{name}_bias"], 0)
        if name == "conv3":
            spatial = pool(x[..., :7], np.mean).reshape(-1)
        if name in digits.POOLED:
            x = pool(x, np.max)
    x = x.reshape(-1) @ w["dense_kernel"] + w["dense_bias"]
    x = x / (1 + np.exp(-x))
    p = np.exp(x @ w["logits_kernel"] + w["logits_bias"])
    return [x, spatial, p / p.sum()]


def test_accuracy_on_digits_it_was_not_trained_on(held_out):
    pictures, labels = held_out
    assert len(labels) == 1000
    assert np.mean(digits.classify(pictures).argmax(axis=1) == labels) >= 0.98


def test_equals_numpy(held_out):
    pictures = held_out[0][:4]
    found = digits.Digits()(pictures)
    for n, picture in enumerate(pictures):
        for rows, expected in zip(found, naive_forward(picture), strict=True):
            np.testing.assert_allclose(rows[n], expected, rtol=1e-3, atol=1e-4)


def test_sizes_and_probabilities(held_out):
    extract = digits.Digits()
    found = extract(held_out[0][:20])
    assert (found.pooled.shape[1], found.spatial.shape[1]) == extract.sizes
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert all(np.ptp(column) > 0 for column in found.pooled.T)  # no dead feature


def test_pictures_do_not_see_each_other(held_out):
    pictures = held_out[0][:30]
    whole = digits.Digits()(pictures)
    alone = digits.Digits()(pictures[17:18])
    for rows, row in zip(whole, alone, strict=True):
        np.testing.assert_allclose(rows[17], row[0], rtol=1e-4, atol=1e-5)


def test_28_pixels_are_padded(held_out):
    pictures = held_out[0][:5]
    bare = pictures[:, 2:-2, 2:-2]
    found, wanted = digits.Digits()(bare), digits.Digits()(pictures)
    for rows, expected in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(rows, expected)


def test_weights_are_small_and_hold_no_pickle():
    assert digits.WEIGHTS.stat().st_size <= 2**20
    with np.load(digits.WEIGHTS, allow_pickle=False) as file:
        assert all(file[name].dtype == np.float16 for name in file.files)


def test_none_at_all():
    assert digits.classify(np.zeros((0, 32, 32, 1), np.uint8)).shape == (0, 10)


@pytest.mark.parametrize("shape", [(32, 32, 3), (64, 64, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match=r"32x32x1.*`features=random`"):
        digits.Digits()(np.zeros((2, *shape), np.uint8))
