"""What is said of folders that hold no pictures, or other classes."""

import pytest
from PIL import Image

from pdm_tf.config import InputError
from pdm_tf.data import listing
from pdm_tf.data.sources import open_source

SHAPE = (4, 6, 3)


def paint(root, files):
    """One flat picture a file, its grey level the number in the dictionary."""
    for name, level in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 8), (level,) * 3).save(path)
    return f"folder:{root}"


def test_missing_and_empty_folders(tmp_path):
    (tmp_path / "file.png").write_bytes(b"")
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    (tmp_path / "empty" / "notes.txt").write_text("not a picture")
    faults = {
        f"folder:{tmp_path}/nowhere": "nowhere does not exist",
        f"folder:{tmp_path}/file.png": "file.png is no folder",
        f"folder:{tmp_path}/empty": r"no pictures in .*empty.*\.jpg",
        "folder:": "folder:PATH",
        "folder": "folder:PATH",
    }
    for dataset, message in faults.items():
        with pytest.raises(InputError, match=message) as caught:
            open_source(dataset, SHAPE)
        assert str(caught.value).startswith("dataset=folder:")
        assert "\n" not in str(caught.value)


def test_class_faults_name_the_count_and_the_flag(tmp_path):
    dataset = paint(tmp_path, {"a/1.png": 1, "b/1.png": 2})
    with pytest.raises(
        InputError, match=r"num_classes=5.*2 classes \(a, b\).*num_classes=2"
    ):
        open_source(dataset, SHAPE, num_classes=5)
    paint(tmp_path, {"loose.png": 3})
    with pytest.raises(InputError, match=r"1 pictures lie outside.*loose\.png"):
        open_source(dataset, SHAPE, num_classes=2)
    assert len(open_source(dataset, SHAPE)) == 3


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    dataset = paint(tmp_path, {"a.png": 1})

    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(listing.os, "scandir", refuse)
    with pytest.raises(InputError, match=r"listed.*Permission denied"):
        open_source(dataset, SHAPE)
