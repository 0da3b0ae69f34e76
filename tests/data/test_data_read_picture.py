"""Every kind of picture file: upright, on white, in the channels asked for."""

import numpy as np
import pytest
from PIL import Image

from pdm_tf.config import InputError
from pdm_tf.data.images import read_picture


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


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
    with pytest.raises(InputError, match="image_shape"):
        read_picture(tmp_path / "a.png", shape)
