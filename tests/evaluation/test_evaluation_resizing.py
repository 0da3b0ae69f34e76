"""Clean resizing against the definition, and features of a Keras file."""

import keras
import numpy as np
import pytest

from pdm_tf.config import InputError
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.features.extractor import Features
from pdm_tf.evaluation.features.resizing import Resizing, resized

RNG = np.random.default_rng(0)


def cubic(x, a=-0.5):
    """Keys' kernel, as Pillow has it."""
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def weights(before, after):
    """What each old pixel counts in each new one; antialiased where it shrinks."""
    scale = before / after
    width = max(scale, 1.0)
    centre = (np.arange(after) + 0.5) * scale
    found = cubic((np.arange(before)[None] + 0.5 - centre[:, None]) / width)
    return found / found.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("height", "width"), [(7, 5), (31, 40), (12, 12)])
def test_it_is_bicubic_with_antialiasing_without_rounding(height, width):
    pictures = RNG.integers(0, 256, (2, 12, 17, 3)).astype(np.uint8)
    rows, columns = weights(12, height), weights(17, width)
    wanted = np.einsum("hi,nijc,wj->nhwc", rows, pictures.astype(float), columns)
    found = resized(pictures, height, width)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.clip(wanted, 0, 255), rtol=1e-6, atol=2e-4)


def test_no_detail_is_lost_to_aliasing():
    stripes = np.zeros([1, 64, 64, 1], np.uint8)
    stripes[:, :, ::2] = 255
    assert np.ptp(resized(stripes, 16, 16)[0, 4:-4, 4:-4]) < 1  # an even grey


class Seen:
    """Keeps what it is given."""

    name, sizes = "seen", (1, 1)

    def describe(self):
        return {"kind": "seen"}

    def __call__(self, pictures):
        self.pictures = pictures
        means = pictures.mean((1, 2, 3))[:, None]
        return Features(means, means, None)


def test_an_extractor_is_given_pictures_of_its_size():
    seen = Seen()
    wrapped = Resizing(seen, 9)
    pictures = RNG.integers(0, 256, (3, 16, 16, 1)).astype(np.uint8)
    assert wrapped(pictures).pooled.shape == (3, 1)
    np.testing.assert_array_equal(seen.pictures, resized(pictures, 9, 9))
    assert wrapped.describe() == {"kind": "seen", "resize": "clean"}
    assert (wrapped.name, wrapped.sizes) == (seen.name, seen.sizes)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Means of each of three channels of pictures of 8 pixels, doubled."""
    inputs = keras.Input([8, 8, 3])
    model = keras.Model(inputs, keras.layers.Rescaling(2.0)(inputs))
    path = tmp_path_factory.mktemp("features") / "mine.keras"
    model.save(path)
    return path


def test_a_keras_file_gives_features_of_pictures_of_any_size(file):
    extract = open_features(f"keras:{file}")
    pictures = RNG.integers(0, 256, (40, 20, 20, 1)).astype(np.uint8)
    means = resized(pictures, 8, 8).mean((1, 2))
    np.testing.assert_allclose(
        extract(pictures).pooled, np.repeat(2 * means, 3, axis=1), rtol=1e-5
    )
    assert extract.sizes == (3, 3) and extract.name == "keras:mine.keras"
    assert len(extract.describe()["sha256"]) == 64


def test_what_gives_no_features_is_refused_in_one_line(file, tmp_path):
    (tmp_path / "text.keras").write_text("text")
    for name, reason in {
        "keras:nowhere.keras": "no such file",
        f"keras:{tmp_path / 'text.keras'}": "is no Keras model",
        "paper": "random, keras:FILE, dinov2:FILE, clip:FILE",
    }.items():
        with pytest.raises(InputError, match=reason) as refused:
            open_features(name)
        assert "\n" not in str(refused.value)
