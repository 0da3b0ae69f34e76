"""Pictures as files and numbers: round trips, ADM's crop, every kind of file."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pdm_tf.data.images import (
    read_picture,
    to_float,
    to_uint8,
)

BYTES = np.arange(256, dtype=np.uint8)
WAYS = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def reference_crop(image, size):
    """ADM's preprocessing as its paper's code describes it, squares only."""
    while min(image.size) >= 2 * size:
        image = image.resize(
            (image.size[0] // 2, image.size[1] // 2), resample=Image.Resampling.BOX
        )
    scale = size / min(image.size)
    image = image.resize(
        (round(image.size[0] * scale), round(image.size[1] * scale)),
        resample=Image.Resampling.BICUBIC,
    )
    pixels = np.array(image)
    top, left = (pixels.shape[0] - size) // 2, (pixels.shape[1] - size) // 2
    return pixels[top : top + size, left : left + size]


# --- bytes and numbers ----------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_every_byte_survives_the_round_trip(way):
    trip = WAYS[way](lambda pictures: to_uint8(to_float(pictures)))
    np.testing.assert_array_equal(trip(tf.constant(BYTES)).numpy(), BYTES)
    np.testing.assert_array_equal(to_uint8(to_float(BYTES)), BYTES)


def test_arrays_eager_and_graph_agree_bit_for_bit():
    x = np.linspace(-1.5, 1.5, 100_001, dtype=np.float32)
    for function, values in ((to_float, BYTES), (to_uint8, x)):
        array = function(values)
        eager = function(tf.constant(values)).numpy()
        assert array.dtype == eager.dtype
        np.testing.assert_array_equal(array, eager)
        graph = WAYS["graph"](function)(tf.constant(values)).numpy()
        np.testing.assert_array_equal(eager, graph)


def test_xla_makes_the_same_numbers():
    x = WAYS["xla"](to_float)(tf.constant(BYTES)).numpy()
    np.testing.assert_array_equal(x, to_float(BYTES))


def test_to_float_spans_minus_one_to_one():
    x = to_float(BYTES)
    assert x.dtype == np.float32
    assert (x[0], x[-1]) == (-1, 1)
    np.testing.assert_allclose(x, BYTES / 127.5 - 1, rtol=0, atol=1.2e-7)


def test_to_uint8_rounds_and_clips():
    x = np.random.default_rng(0).uniform(-1.2, 1.2, 10_000)
    rounded = np.clip(np.floor((x + 1) * 127.5 + 0.5), 0, 255)
    np.testing.assert_array_equal(to_uint8(x), rounded)


def test_half_precision_is_scaled_in_single():
    x = tf.cast(to_float(tf.constant(BYTES)), tf.float16)
    np.testing.assert_array_equal(to_uint8(x).numpy(), BYTES)


def test_images_load_no_tensorflow():
    code = "import sys, pdm_tf.data.images, pdm_tf.data.sources; "
    code += "assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the crop -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [(64, 64), (200, 131), (131, 200), (517, 64), (40, 30), (333, 1000)]
)
@pytest.mark.parametrize("side", [16, 33, 64])
def test_squares_are_cropped_as_by_adm(tmp_path, size, side):
    image = Image.fromarray(noise(size[1], size[0], 3))
    image.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", (side, side, 3))
    np.testing.assert_array_equal(picture, reference_crop(image, side))


@pytest.mark.parametrize("shape", [(16, 48, 3), (48, 16, 1), (1, 7, 3), (100, 31, 1)])
@pytest.mark.parametrize("size", [(300, 100), (100, 300), (20, 20), (1, 9)])
def test_any_shape_can_be_asked_of_any_picture(tmp_path, shape, size):
    Image.fromarray(noise(size[1], size[0], 3)).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", shape)
    assert picture.shape == shape and picture.dtype == np.uint8


def test_crop_keeps_the_middle_of_a_wide_picture(tmp_path):
    pixels = np.zeros((32, 96, 3), np.uint8)
    pixels[:, 24:72] = 200  # the middle 32 x 48
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png", (32, 48, 3)) == 200).all()


def test_shrinking_averages_and_keeps_flat_pictures_flat(tmp_path):
    Image.new("RGB", (411, 307), (10, 120, 250)).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", (20, 60, 3))
    assert (picture == (10, 120, 250)).all()
