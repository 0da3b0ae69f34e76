"""Sheets with names: every picture is there, beneath its class."""

from importlib.util import find_spec

import numpy as np
import pytest

from pdm_tf.data.labelled_sheet import labelled_sheet, named_rows

RNG = np.random.default_rng(0)


def places(sheet, picture):
    """Where a picture is found in a sheet, [(top, left)]."""
    windows = np.lib.stride_tricks.sliding_window_view(sheet, picture.shape)[:, :, 0]
    return [tuple(at) for at in np.argwhere((windows == picture).all((2, 3, 4)))]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_class_has_a_column_and_its_name_above(channels):
    x = RNG.integers(0, 255, (7, 6, 5, channels), np.uint8)
    labels = [2, 0, 2, 1, 0, 2, 2]
    names = ["cat", "café", "a name that is too long for a narrow column"]
    sheet = labelled_sheet(x, labels, [names[label] for label in labels])
    assert sheet.dtype == np.uint8 and sheet.shape[2] == channels
    found = [places(sheet, picture) for picture in x]
    assert all(len(place) == 1 for place in found)
    (tops, lefts) = zip(*(place[0] for place in found), strict=True)
    for a, b in ((0, 2), (1, 4)):  # one below the other
        assert lefts[a] == lefts[b] and tops[a] < tops[b]
    assert lefts[1] < lefts[3] < lefts[0]
    assert tops[0] == tops[1] == tops[3]
    dark = np.flatnonzero((sheet[: tops[0] - 3] < 128).any((0, 2)))
    for left in set(lefts):  # letters stand above each column
        assert np.abs(dark - left).min() < 12


def test_many_classes_are_in_rows_with_a_name_each():
    x = RNG.integers(0, 255, (30, 6, 5, 1), np.uint8)
    sheet = labelled_sheet(x, range(30), [f"c{i}" for i in range(30)])
    assert all(len(places(sheet, picture)) == 1 for picture in x)


def test_names_differ_and_so_do_captions():
    x = np.full((1, 6, 30, 1), 255, np.uint8)
    sheets = [labelled_sheet(x, [3], [name]) for name in ("cat", "dog", "猫", "犬")]
    assert (sheets[0] != sheets[1]).any() and sheets[0].min() < 128
    assert (sheets[2] == sheets[3]).all()  # letters that no font here has: its number


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="its font is needed")
def test_names_in_other_letters_are_drawn_and_not_replaced_by_boxes():
    pictures = np.zeros((3, 16, 16, 1), np.uint8)
    names = ["кошка", "σκύλος", "猫"]  # the last in no font that comes along
    drawn = labelled_sheet(pictures, [0, 1, 2], names)
    numbered = labelled_sheet(pictures, [0, 1, 2], ["кошка", "σκύλος", "class 2"])
    np.testing.assert_array_equal(drawn, numbered)
    others = labelled_sheet(pictures, [0, 1, 2], ["class 0", "σκύλος", "class 2"])
    assert drawn.shape != others.shape or np.any(drawn != others)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_row_has_its_pictures_and_its_name_beside_it(channels):
    x = RNG.integers(0, 255, (5, 20, 6, channels), np.uint8)
    sheet = named_rows({"base": x[:3], "derived from it": x[3:]})
    found = [places(sheet, picture) for picture in x]
    assert all(len(place) == 1 for place in found)
    tops = [place[0][0] for place in found]
    assert tops[0] == tops[1] == tops[2] < tops[3] == tops[4]
    left = min(place[0][1] for place in found)
    dark = [(sheet[top : top + 20, : left - 2] < 128).sum() for top in (2, 24)]
    assert 0 < dark[0] < dark[1]  # a longer name has more ink
