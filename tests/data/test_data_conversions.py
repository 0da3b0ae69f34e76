"""We read what Pillow makes of every mode, and say once what was changed."""

import io

import numpy as np
import pytest
from PIL import Image

from pdm_tf.data import folder
from pdm_tf.data.decoding import Conversions, cropped
from pdm_tf.data.images import read_picture
from pdm_tf.data.sources import open_source

RNG = np.random.default_rng(0)


def noise(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def saved(image, form="PNG", **options):
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def on_white(image):
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


PALETTE = Image.fromarray(noise(8, 8, 3)).quantize(16)
KINDS = {  # name -> (bytes, what Pillow makes of them, what is said)
    "colour": (saved(c := Image.fromarray(noise(8, 8, 3))), c, ""),
    "grey": (saved(g := Image.fromarray(noise(8, 8))), g, ""),
    "1 bit": (saved(b := Image.fromarray(noise(8, 8) > 127)), b, ""),
    "palette": (saved(PALETTE), PALETTE.convert("RGB"), ""),
    "palette with alpha": (
        saved(PALETTE, transparency=bytes(range(0, 256, 16))),
        on_white(
            Image.open(
                io.BytesIO(saved(PALETTE, transparency=bytes(range(0, 256, 16))))
            )
        ),
        "transparency",
    ),
    "grey and alpha": (
        saved(a := Image.fromarray(noise(8, 8, 2), "LA")),
        on_white(a),
        "transparency",
    ),
    "colour and alpha": (
        saved(r := Image.fromarray(noise(8, 8, 4))),
        on_white(r),
        "transparency",
    ),
    "16 bits": (
        saved(Image.fromarray(w := RNG.integers(0, 2**16, (8, 8), dtype=np.uint16))),
        Image.fromarray((w >> 8).astype(np.uint8)),
        "16 bits",
    ),
    "CMYK": (
        d := saved(Image.fromarray(noise(8, 8, 4), "CMYK"), "JPEG", quality=95),
        Image.open(io.BytesIO(d)).convert("RGB"),
        "CMYK",
    ),
    "several frames": (
        saved(c, "GIF", save_all=True, append_images=[PALETTE.convert("RGB")]),
        Image.open(io.BytesIO(saved(c, "GIF"))).convert("RGB"),
        "frames",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_mode_is_what_pillow_makes_of_it(kind):
    data, expected, said = KINDS[kind]
    for channels, mode in ((1, "L"), (3, "RGB")):
        conversions = Conversions()
        picture = read_picture(data, (8, 8, channels), conversions)
        wanted = np.asarray(expected.convert("RGB").convert(mode))
        if kind in ("grey", "16 bits"):
            wanted = np.asarray(expected.convert(mode))
        np.testing.assert_array_equal(picture, wanted.reshape(8, 8, channels))
        assert said in conversions.not_yet_said() and not conversions.not_yet_said()
        assert bool(said) == bool(conversions.counts)


@pytest.mark.parametrize("memory", [True, False])
def test_what_was_changed_is_said_once(tmp_path, capsys, monkeypatch, memory):
    if not memory:
        monkeypatch.setattr(folder, "kept_in_memory", lambda source: source)
    for i, kind in enumerate(KINDS):
        (tmp_path / f"{i}.png").write_bytes(KINDS[kind][0])
    source = open_source(f"folder:{tmp_path}", (8, 8, 3))
    for _ in range(2):
        source.read(np.arange(len(source)))
    (said,) = capsys.readouterr().err.splitlines()
    assert "with transparency, laid over white (3 so far)" in said
    assert "16 bits" in said and "CMYK" in said and "frames" in said


@pytest.mark.parametrize("shape", [(900, 3, 3), (2, 4000, 3), (1, 3000, 3)])
def test_long_pictures_are_cut_before_they_are_scaled(shape):
    image = Image.fromarray(noise(*shape))
    height, width = 64, 48
    scale = max(width / image.width, height / image.height)
    whole = image.resize(
        (round(image.width * scale), round(image.height * scale)),
        Image.Resampling.BICUBIC,
    )
    left, top = (whole.width - width) // 2, (whole.height - height) // 2
    expected = whole.crop((left, top, left + width, top + height))
    found = cropped(image, height, width)
    difference = np.asarray(found, int) - np.asarray(expected, int)
    assert found.size == (width, height) and abs(difference).max() <= 1


def test_strips_laid_over_white_join_without_a_seam(monkeypatch):
    from pdm_tf.data import decoding

    image = Image.fromarray(noise(37, 20, 4))
    whole = np.asarray(decoding._on_white(image))
    monkeypatch.setattr(decoding, "_STRIP", 100)
    np.testing.assert_array_equal(np.asarray(decoding._on_white(image)), whole)
