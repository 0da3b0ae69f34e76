"""Sheets of pictures, and PNGs that are written whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from pdm_tf.config import InputError
from pdm_tf.data.images import contact_sheet, read_picture, save_png


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


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

    def fail(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        save_png(tmp_path / "a.png", noise(5, 5, 3, seed=1))
    assert (tmp_path / "a.png").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_cannot_be_saved(tmp_path, channels):
    with pytest.raises(InputError, match="1 channel"):
        save_png(tmp_path / "a.png", noise(5, 5, channels))
    assert not list(tmp_path.iterdir())
