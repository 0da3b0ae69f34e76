"""Films hold their frames: without loss where the format has none."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from pdm_tf.storage.films import write_film

RNG = np.random.default_rng(0)


def read(path):
    with Image.open(path) as file:
        return [
            (np.array(frame.convert("RGB")), frame.info.get("duration"))
            for frame in ImageSequence.Iterator(file)
        ]


@pytest.mark.parametrize(("kind", "channels"), [("gif", 1), ("webp", 1), ("webp", 3)])
def test_frames_come_back_as_they_were(tmp_path, kind, channels):
    frames = RNG.integers(0, 256, (5, 12, 10, channels)).astype(np.uint8)
    write_film(tmp_path / f"film.{kind}", frames, rate=10)
    found = read(tmp_path / f"film.{kind}")
    assert len(found) == 5
    for (picture, _), frame in zip(found, frames, strict=True):
        np.testing.assert_array_equal(picture, np.broadcast_to(frame, (12, 10, 3)))
    if kind == "gif":
        assert [time for _, time in found] == [100] * 4 + [1000]


def test_a_gif_in_colour_has_256_colours_a_frame(tmp_path):
    x, y = np.meshgrid(np.arange(32), np.arange(32))
    frame = np.stack([8 * x, 8 * y, 4 * (x + y)], -1).astype(np.uint8)
    write_film(tmp_path / "film.gif", np.stack([frame, frame[::-1]]), rate=5)
    found = read(tmp_path / "film.gif")
    assert np.abs(found[0][0].astype(int) - frame).mean() < 8
    assert np.abs(found[1][0].astype(int) - frame[::-1]).mean() < 8


def test_an_mp4_has_as_many_frames_and_a_second_of_the_last(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    frames = np.zeros([6, 33, 21, 1], np.uint8) + np.arange(0, 240, 40)[
        :, None, None, None
    ].astype(np.uint8)
    write_film(tmp_path / "film.mp4", frames, rate=4)
    stream = ffmpeg.read_frames(str(tmp_path / "film.mp4"))
    about = next(stream)
    assert about["size"] == (22, 34) and about["fps"] == 4
    found = [np.frombuffer(f, np.uint8).reshape(34, 22, 3) for f in stream]
    assert len(found) == 6 + 4
    levels = [picture.mean() for picture in found]
    np.testing.assert_allclose(levels[:6], np.arange(0, 240, 40), atol=6)
