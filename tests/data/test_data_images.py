"""Pictures as files and numbers: round trips, ADM's crop, every kind of file."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pdm_tf.config import InputError
from pdm_tf.data.images import (
    contact_sheet,
    read_picture,
    save_png,
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


# --- kinds of files -------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(tmp_path, orientation):
    upright = noise(6, 10, 3)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: upright.swapaxes(0, 1)[::-1],
        7: upright.swapaxes(0, 1)[::-1, ::-1],
        8: upright.swapaxes(0, 1)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    picture = read_picture(tmp_path / "a.png", (6, 10, 3))
    np.testing.assert_array_equal(picture, upright)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    pixels = noise(8, 8, 3)
    exif = b"Exif\x00\x00II*\x00\xff\xff\xff\xff"
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png", (8, 8, 3)), pixels)


def test_palette_gives_its_colours(tmp_path):
    image = Image.fromarray(noise(8, 8, 3)).quantize(16)
    image.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", (8, 8, 3))
    np.testing.assert_array_equal(picture, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_over_white(tmp_path, mode):
    pixels = noise(8, 8, len(mode))
    Image.fromarray(pixels, mode).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", (8, 8, 3))
    alpha = pixels[..., -1:] / 255
    expected = np.broadcast_to(pixels[..., :-1] * alpha + 255 * (1 - alpha), (8, 8, 3))
    np.testing.assert_allclose(picture, expected, atol=1)


def test_transparent_palette_and_colour_key_become_white(tmp_path):
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([9, 9, 9, 200, 0, 0])
    palette.save(tmp_path / "palette.png", transparency=1)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(
        tmp_path / "key.png", transparency=(1, 2, 3)
    )
    Image.new("L", (8, 8), 5).save(tmp_path / "grey.png", transparency=5)
    for name in ("palette", "key", "grey"):
        for channels in (1, 3):
            picture = read_picture(tmp_path / f"{name}.png", (8, 8, channels))
            assert (picture == 255).all(), name


def test_grey_is_repeated_and_colour_is_weighed(tmp_path):
    grey, colour = noise(8, 8), noise(8, 8, 3)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(colour).save(tmp_path / "colour.png")
    repeated = read_picture(tmp_path / "grey.png", (8, 8, 3))
    np.testing.assert_array_equal(repeated, np.repeat(grey[..., None], 3, 2))
    weighed = read_picture(tmp_path / "colour.png", (8, 8, 1))
    luma = colour @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(weighed[..., 0], luma, atol=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_black_and_white(tmp_path, channels):
    bits = noise(8, 8) > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", (8, 8, channels))
    np.testing.assert_array_equal(
        picture, np.repeat(bits[..., None] * 255, channels, 2)
    )


def test_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    picture = read_picture(tmp_path / "a.jpg", (16, 16, 3))
    np.testing.assert_allclose(
        picture, np.broadcast_to((0, 255, 255), (16, 16, 3)), 0, 3
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_keep_their_high_byte(tmp_path, channels):
    levels = np.random.default_rng(0).integers(0, 2**16, (8, 8), dtype=np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", (8, 8, channels))
    np.testing.assert_array_equal(
        picture, np.repeat((levels >> 8)[..., None], channels, 2)
    )


@pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp", "png"])
def test_every_format_of_a_folder_is_read(tmp_path, suffix):
    Image.new("RGB", (32, 32), (40, 90, 160)).save(tmp_path / f"a.{suffix}")
    picture = read_picture(tmp_path / f"a.{suffix}", (16, 16, 3)).astype(int)
    assert abs(picture - (40, 90, 160)).max() <= 4


def broken_files(folder):
    """Files that are no pictures, by the way in which they are not."""
    Image.fromarray(noise(64, 64, 3)).save(folder / "whole.png")
    whole = (folder / "whole.png").read_bytes()
    Image.fromarray(noise(64, 64, 3)).save(folder / "whole.jpg")
    contents = {
        "empty.png": b"",
        "text.jpg": b"this is not a picture",
        "cut.png": whole[: len(whole) // 2],
        "cut.jpg": (folder / "whole.jpg").read_bytes()[:2000],
        "header.png": whole[:40],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [*contents, "missing.png"]


def test_broken_files_are_named_in_one_line(tmp_path):
    for name in broken_files(tmp_path):
        with pytest.raises(InputError, match=name) as caught:
            read_picture(tmp_path / name, (8, 8, 3))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (8, 0, 3), (8, 8, 2)])
def test_impossible_shapes_name_the_flag(tmp_path, shape):
    with pytest.raises(InputError, match="--image_shape"):
        read_picture(tmp_path / "a.png", shape)


# --- sheets and files of our own ------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5, 16, 17])
@pytest.mark.parametrize("shape", [(8, 8, 3), (4, 12, 1)])
def test_a_sheet_holds_every_picture_in_its_place(count, shape):
    pictures = noise(count, *shape)
    sheet = contact_sheet(pictures)
    height, width = shape[0] + 2, shape[1] + 2
    columns = (sheet.shape[1] - 2) // width
    used = np.zeros(sheet.shape, bool)
    for k, picture in enumerate(pictures):
        top, left = k // columns * height + 2, k % columns * width + 2
        cell = np.s_[top : top + shape[0], left : left + shape[1]]
        np.testing.assert_array_equal(sheet[cell], picture)
        used[cell] = True
    assert (sheet[~used] == 255).all()


def test_sheets_are_about_square_or_as_told():
    assert contact_sheet(noise(64, 8, 8, 1)).shape == (82, 82, 1)
    assert contact_sheet(noise(6, 8, 8, 3), columns=6).shape == (12, 62, 3)
    height, width, _ = contact_sheet(noise(48, 8, 24, 3)).shape
    assert 0.7 < height / width < 1.4


@pytest.mark.parametrize("channels", [1, 3])
def test_a_saved_png_reads_back(tmp_path, channels):
    picture = noise(5, 9, channels)
    path = tmp_path / "new" / "a.png"
    for _ in range(2):  # fresh, then over itself
        save_png(path, picture)
    np.testing.assert_array_equal(read_picture(path, picture.shape), picture)
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    save_png(tmp_path / "a.png", noise(5, 5, 3))
    before = (tmp_path / "a.png").read_bytes()

    def fail(image, file, format):
        file.write_bytes(b"half a pic")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_png(tmp_path / "a.png", noise(5, 5, 3, seed=1))
    assert (tmp_path / "a.png").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_cannot_be_saved(tmp_path, channels):
    with pytest.raises(InputError, match="1 channel"):
        save_png(tmp_path / "a.png", noise(5, 5, channels))
    assert not list(tmp_path.iterdir())
