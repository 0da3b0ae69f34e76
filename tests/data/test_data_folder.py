"""Any folder: order, classes, splits, broken pictures, and what is said of faults."""

import numpy as np
import pytest
from PIL import Image

from pdm_tf.config import InputError
from pdm_tf.data import folder, reading
from pdm_tf.data.sources import open_source

SHAPE = (4, 6, 3)


def paint(root, files):
    """One flat picture a file, its grey level the number in the dictionary."""
    for name, level in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 8), (level,) * 3).save(path)
    return f"folder:{root}"


def levels(source, indices=None):
    pictures, labels = source.read(
        np.arange(len(source) if indices is None else indices)
    )
    assert pictures.shape[1:] == SHAPE and pictures.dtype == np.uint8
    assert labels.dtype == np.int32
    return pictures[:, 0, 0, 0].tolist(), labels.tolist()


@pytest.fixture(params=["in memory", "on demand"])
def memory(request, monkeypatch):
    """Both ways of holding a folder."""
    if request.param == "on demand":
        monkeypatch.setattr(folder, "kept_in_memory", lambda source: source)
    return request.param


def test_pictures_come_sorted_from_all_depths(tmp_path, memory):
    files = {"b.png": 3, "a/z/q.PNG": 2, "a/b.bmp": 1, "c/a.png": 4, "c/b.png": 5}
    source = open_source(paint(tmp_path, files), SHAPE)
    (tmp_path / "notes.txt").write_text("no picture, and none by its name")
    (tmp_path / "d.png").mkdir()  # a folder with the name of a picture
    assert levels(source) == ([1, 2, 3, 4, 5], [0] * 5)
    assert source.class_names == () and source.skipped == ()
    again = open_source(f"folder:{tmp_path}", SHAPE)
    assert levels(again) == levels(source)


def test_jpeg_and_webp_belong_to_a_folder(tmp_path):
    files = {"a.jpg": 10, "b.JPEG": 100, "c.webp": 200}
    found, _ = levels(open_source(paint(tmp_path, files), SHAPE))
    np.testing.assert_allclose(found, [10, 100, 200], atol=3)


def test_first_sub_folders_are_the_classes(tmp_path, memory):
    files = {"dog/b.png": 3, "cat/x/a.png": 1, "dog/a.png": 2, "eel/dog/a.png": 4}
    source = open_source(paint(tmp_path, files), SHAPE, num_classes=3)
    assert source.class_names == ("cat", "dog", "eel")
    assert levels(source) == ([1, 2, 3, 4], [0, 1, 1, 2])


def test_hidden_files_are_passed_over_and_links_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    paint(elsewhere, {"b.png": 2})
    root = tmp_path / "root"
    dataset = paint(root, {"a/a.png": 1, ".cache/a.png": 8, "a/._a.png": 9})
    (root / "linked").symlink_to(elsewhere)
    (root / "a" / "circle").symlink_to(root)
    source = open_source(dataset, SHAPE, num_classes=2)
    assert source.class_names == ("a", "linked")
    assert levels(source) == ([1, 2], [0, 1])


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    paint(tmp_path / "pictures", {"a.png": 7})
    assert levels(open_source("folder:~/pictures", SHAPE))[0] == [7]


# --- splits ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["test", "val", "validation"])
def test_splits_are_sub_folders(tmp_path, name):
    files = {"train/a/1.png": 1, "train/b/2.png": 2, f"{name}/b/3.png": 3}
    dataset = paint(tmp_path, files)
    train, test = (
        open_source(dataset, SHAPE, num_classes=2, split=split)
        for split in ("train", "test")
    )
    assert levels(train) == ([1, 2], [0, 1])
    assert levels(test) == ([3], [1])  # though class a has no test picture
    assert train.class_names == test.class_names == ("a", "b")


def test_an_unknown_class_of_the_test_split_is_refused(tmp_path):
    files = {"train/a/1.png": 1, "train/b/2.png": 2, "test/c/3.png": 3}
    with pytest.raises(InputError, match="class c"):
        open_source(paint(tmp_path, files), SHAPE, num_classes=2, split="test")


def test_nothing_is_held_out_without_sub_folders(tmp_path):
    dataset = paint(tmp_path, {"a.png": 1, "b/b.png": 2})
    assert levels(open_source(dataset, SHAPE))[0] == [1, 2]
    with pytest.raises(InputError, match=r"held out.*test.*train"):
        open_source(dataset, SHAPE, split="test")


# --- broken pictures ------------------------------------------------------------------


def break_pictures(root, names):
    for name in names:
        path = root / name
        path.write_bytes(path.read_bytes()[:40] if path.exists() else b"")


def test_broken_pictures_are_left_out_and_named_once(tmp_path, capsys):
    dataset = paint(tmp_path, {f"{c}/{i}.png": i for c in "ab" for i in range(1, 6)})
    broken = ["a/1.png", "a/3.png", "b/4.png", "b/5.png", "b/6.png"]
    break_pictures(tmp_path, broken)
    (tmp_path / "b" / "7.png").symlink_to(tmp_path / "nowhere.png")
    source = open_source(dataset, SHAPE, num_classes=2)
    assert source.skipped == (*broken, "b/7.png")
    assert levels(source) == ([2, 4, 5, 1, 2, 3], [0, 0, 0, 1, 1, 1])
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "skipped 6" in said[0] and "a/1.png, a/3.png, b/4.png, …" in said[0]


def test_successors_stand_in_where_pictures_are_made_on_demand(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(folder, "kept_in_memory", lambda source: source)
    dataset = paint(tmp_path, {f"{c}/{i}.png": i for c in "ab" for i in (1, 2, 3)})
    break_pictures(tmp_path, ["a/3.png", "b/2.png", "b/3.png"])
    expected = ([1, 2, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0])
    source = open_source(dataset, SHAPE, num_classes=2)
    assert levels(source) == expected
    assert levels(source) == expected
    backwards = open_source(dataset, SHAPE, num_classes=2)
    pictures, labels = backwards.read(np.arange(6)[::-1])
    assert (pictures[::-1, 0, 0, 0].tolist(), labels[::-1].tolist()) == expected
    assert source.skipped == backwards.skipped == ("a/3.png", "b/2.png", "b/3.png")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "a/3.png" in said[0]  # one line for each source


def test_a_folder_of_broken_pictures_alone_is_refused(tmp_path, memory):
    dataset = paint(tmp_path, {"a.png": 1, "b.png": 2})
    break_pictures(tmp_path, ["a.png", "b.png"])
    with pytest.raises(InputError, match=r"none of its 2 pictures.*a\.png"):
        levels(open_source(dataset, SHAPE))


def test_only_what_fits_is_kept_in_memory(tmp_path):
    dataset = paint(tmp_path, {f"{i}.png": i for i in range(1, 6)})
    kept = open_source(dataset, SHAPE)
    assert isinstance(kept, reading.InMemory)
    make = folder.Pictures(tmp_path, tuple(f"{i}.png" for i in range(1, 6)), SHAPE)
    lazy = reading.OnDemand("f", SHAPE, make, str, np.zeros(5, np.int32))
    assert reading.kept_in_memory(lazy, memory=5 * 4 * 6 * 3 - 1) is lazy
    assert isinstance(reading.kept_in_memory(lazy, memory=5 * 72), reading.InMemory)
    assert levels(lazy) == levels(kept)
