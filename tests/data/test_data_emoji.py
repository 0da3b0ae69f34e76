"""Emoji of a font: groups as classes, on white, held out for good."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pdm_tf.data import emoji
from pdm_tf.data.emoji_groups import GROUPS
from pdm_tf.data.sources import open_source
from pdm_tf.errors import SettingError

SHAPE = (24, 20, 3)
# It comes with matplotlib, and has some emoji, in black.
DEJAVU = (
    Path(find_spec("matplotlib").origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"
)
NOTO = [path for path in emoji._PLACES if Path(path).is_file()]


@pytest.fixture(scope="module")
def both():
    argument = f"emoji:{DEJAVU}"
    return [open_source(argument, SHAPE, 8, split) for split in ("train", "test")]


def test_groups_share_no_character():
    characters = [c for ranges in GROUPS.values() for c in emoji._characters(ranges)]
    assert len(characters) == len(set(characters)) == 1372
    assert {"😀", "👍", "🐧", "🍎", "🚲", "🎉", "🔑", "♻"} <= set(characters)


def test_a_tenth_of_each_group_is_held_out_and_no_picture_is_in_both(both):
    train, test = both
    assert train.class_names == tuple(GROUPS) and len(train) > 8 * len(test) > 80
    for label in range(8):
        shares = [np.sum(source.labels == label) for source in both]
        assert shares[1] == sum(shares) // 10
    kept = {picture.tobytes() for picture in train.pictures}
    common = [p for p in test.pictures if p.tobytes() in kept]
    assert len(common) <= 2  # characters that a font draws alike


def test_each_stands_in_the_middle_on_white(both):
    for picture in both[1].pictures:
        assert (picture[0] == 255).all() and (picture[:, 0] == 255).all()
        rows = np.flatnonzero((picture < 128).any((1, 2)))
        assert len(rows) and abs(rows[0] - (SHAPE[0] - 1 - rows[-1])) <= 2


def test_it_is_the_same_at_every_opening_grey_or_in_colour(both):
    again = open_source(f"emoji:{DEJAVU}", SHAPE, 0, "test")
    np.testing.assert_array_equal(again.pictures, both[1].pictures)
    grey = open_source(f"emoji:{DEJAVU}", (*SHAPE[:2], 1), 0, "test")
    np.testing.assert_array_equal(grey.pictures, both[1].pictures[..., :1])


def test_what_a_font_lacks_is_left_out(both):
    assert len(both[0]) + len(both[1]) < 1372


def test_no_font_and_no_emoji_are_said(tmp_path, monkeypatch):
    (tmp_path / "font.ttf").write_text("none")
    with pytest.raises(SettingError, match="not a font"):
        open_source(f"emoji:{tmp_path}/font.ttf", SHAPE)
    with pytest.raises(SettingError, match="not a font"):
        open_source(f"emoji:{tmp_path}/nowhere.ttf", SHAPE)
    monkeypatch.setattr(emoji, "_PLACES", ())
    with pytest.raises(SettingError, match="fonts-noto-color-emoji"):
        open_source("emoji", SHAPE)
    with pytest.raises(SettingError, match="emoji has 8 classes"):
        open_source(f"emoji:{DEJAVU}", SHAPE, 10)
    monkeypatch.setattr(emoji, "_rendered", lambda *_: None)
    with pytest.raises(SettingError, match="holds no emoji"):
        open_source(f"emoji:{DEJAVU}", SHAPE)


@pytest.mark.slow
@pytest.mark.skipif(not NOTO, reason="Noto Color Emoji is not installed")
def test_noto_has_them_in_colour():
    source = open_source("emoji", (64, 64, 3), 8)
    assert len(source) > 1200
    assert np.mean(np.ptp(source.pictures.reshape(len(source), -1, 3), axis=2)) > 10
