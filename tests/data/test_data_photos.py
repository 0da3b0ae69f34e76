"""Crops of photographs: held apart, the same at every call, full of content."""

import numpy as np
import pytest
from PIL import Image

from pdm_tf.config import InputError
from pdm_tf.data import photos
from pdm_tf.data.reading import InMemory, OnDemand, kept_in_memory
from pdm_tf.data.sources import open_source


def everything(source):
    return source.read(np.arange(len(source)))


@pytest.fixture(scope="module")
def crops():
    return {
        split: open_source("photos", (16, 24, 3), split=split)
        for split in ("train", "test")
    }


def test_lengths_and_shapes_of_crops(crops):
    assert (len(crops["train"]), len(crops["test"])) == (20_000, 2_000)
    pictures, labels = crops["train"].read(np.array([3, 19_999]))
    assert pictures.shape == (2, 16, 24, 3) and pictures.dtype == np.uint8
    assert labels.tolist() == [0, 0] and labels.dtype == np.int32


def test_grey_crops_are_the_colour_crops_without_colour(crops):
    grey, _ = open_source("photos", (16, 24, 1), split="test").read(np.arange(200))
    colour, _ = crops["test"].read(np.arange(200))
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert abs(grey[..., 0] - luma).max() < 6  # resized before or after


def test_test_crops_come_from_held_out_photographs_alone(monkeypatch):
    used = []

    def painted(file, image_shape):
        used.append(file)
        return Image.new("RGB", (80, 60), (len(used), 0, 0))

    monkeypatch.setattr(photos, "_photo", painted)
    files = {}
    for split in ("train", "test"):
        used.clear()
        pictures, _ = everything(open_source("photos", (4, 4, 3), split=split))
        files[split] = set(used)
        # Every photograph of the split is shown, about equally often, and no other.
        shares = np.bincount(pictures[:, 0, 0, 0], minlength=len(used) + 1)
        assert shares[0] == 0 and len(shares) == len(used) + 1
        assert shares[1:].min() > 0.8 * len(pictures) / len(used)
    assert files["train"].isdisjoint(files["test"])
    assert 0.2 < len(files["test"]) / len(files["train"] | files["test"]) < 0.35
    stems = {file.split("_")[0] for file in files["train"]}  # motorcycle_left, _right
    assert stems.isdisjoint(file.split("_")[0] for file in files["test"])


def test_crops_have_content_and_differ(crops):
    pictures, _ = crops["train"].read(np.arange(500))
    assert np.median(pictures.std(axis=(1, 2, 3))) > 30
    assert len({picture.tobytes() for picture in pictures}) > 490


def test_a_crop_depends_on_its_number_alone(crops):
    again = open_source("photos", (16, 24, 3), split="test")
    np.testing.assert_array_equal(everything(again)[0], everything(crops["test"])[0])
    alone = crops["test"].read(np.array([77]))[0][0]
    np.testing.assert_array_equal(alone, crops["test"].read(np.array([5, 77, 9]))[0][1])


def test_crops_that_do_not_fit_in_memory_are_the_same():
    crop = photos.Crops(
        (Image.effect_noise((300, 200), 90),),
        np.random.RandomState(0).random_sample((50, 4)),
        (8, 12, 1),
    )
    lazy = OnDemand("noise", (8, 12, 1), crop, str, np.zeros(50, np.int32))
    kept = kept_in_memory(lazy)
    assert isinstance(kept, InMemory)
    assert kept_in_memory(lazy, memory=50 * 8 * 12 - 1) is lazy
    np.testing.assert_array_equal(everything(lazy)[0], everything(kept)[0])


def test_crops_stay_within_small_photographs():
    corners = np.array([[0, a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    draws = corners * (1 - 1e-12)
    for size in ((10, 10), (64, 64), (65, 640), (1000, 70)):
        for shape in ((64, 64, 3), (20, 90, 3)):
            crop = photos.Crops((Image.new("RGB", size, "white"),), draws, shape)
            assert all((crop(j) == 255).all() for j in range(8))


def test_small_photographs_are_not_magnified():
    photo = Image.effect_noise((40, 30), 90)
    draws = np.random.RandomState(0).random_sample((20, 4))
    crop = photos.Crops((photo,), draws, (30, 40, 1))
    for j in range(20):
        np.testing.assert_array_equal(crop(j)[..., 0], np.asarray(photo))


def test_photographs_lie_in_the_wheels():
    for files, _ in photos._SPLITS.values():
        for file in files:
            with Image.open(photos._located(file)) as photo:
                assert photo.mode == "RGB" and min(photo.size) >= 300


def test_missing_photographs_name_the_wheel(monkeypatch):
    monkeypatch.setattr(photos, "find_spec", lambda package: None)
    with pytest.raises(InputError, match=r"pip install .*scikit-image"):
        open_source("photos", (8, 8, 3))
