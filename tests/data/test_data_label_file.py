"""dataset.json of StyleGAN, EDM and EDM2: its labels, and what is refused."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from pdm_tf.config import InputError, PrepareConfig
from pdm_tf.data.label_file import read_labels
from pdm_tf.data.preparation.archives import open_archive
from pdm_tf.data.preparation.plan import make_plan
from pdm_tf.data.sources import open_source
from pdm_tf.errors import SettingError

NAMES = [f"{i // 4:05d}/img{i:08d}.png" for i in range(8)]
LABELS = [[name, i * 5 % 11] for i, name in enumerate(NAMES)]


def png(level):
    data = io.BytesIO()
    Image.new("L", (4, 4), level).save(data, "PNG")
    return data.getvalue()


def pack(path, found):
    with zipfile.ZipFile(path, "w") as file:
        for i, name in enumerate(NAMES):
            file.writestr(name, png(i))
        file.writestr("dataset.json", json.dumps(found))
    return path


def test_a_zip_has_the_labels_of_its_file(tmp_path):
    archive = open_archive(str(pack(tmp_path / "a.zip", {"labels": LABELS})))
    plan = make_plan(PrepareConfig(labels=True, image_size=4), archive)
    assert plan.class_names == tuple(map(str, range(11)))
    assert dict(zip(archive.names, map(int, plan.classes), strict=True)) == dict(LABELS)


def test_a_folder_has_them_too(tmp_path):
    with zipfile.ZipFile(pack(tmp_path / "a.zip", {"labels": LABELS})) as file:
        file.extractall(tmp_path / "folder")
    source = open_source(f"folder:{tmp_path}/folder", (4, 4, 1), 11)
    pictures, labels = source.read(np.arange(8))
    assert labels.tolist() == [label for _, label in LABELS]
    assert pictures[:, 0, 0, 0].tolist() == list(range(8))
    assert len(source.class_names) == 11
    with pytest.raises(InputError, match="num_classes=2"):
        open_source(f"folder:{tmp_path}/folder", (4, 4, 1), 2)


def refuse(remedy):
    return SettingError("source", "x", remedy)


@pytest.mark.parametrize(
    ("label", "fault"),
    [
        (10**13, "are the most"),
        ([0, 1, 0], "one-hot"),
        (-1, "no label"),
        (1.5, "no label"),
        (True, "no label"),
        ("3", "no label"),
        (None, "no label"),
    ],
)
def test_labels_that_are_none_are_refused(label, fault):
    content = json.dumps({"labels": [["a.png", 0], ["b.png", label]]}).encode()
    with pytest.raises(SettingError, match=fault) as caught:
        read_labels(content, refuse)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[" * 100_000,
        b"\xff",
        b'{"labels": {"a.png": 1}}',
        b'{"labels": [["a.png"]]}',
        b'{"labels": [["a.png", 1], ["a.png", 2]]}',
        b'{"labels": [["a.png", 1%s]]}' % (b"0" * 9000),
    ],
)
def test_files_that_are_none_are_refused(content):
    with pytest.raises(SettingError):
        read_labels(content, refuse)


def test_no_labels_and_foreign_files():
    assert read_labels(b'{"labels": null}', refuse).class_names == ()
    assert read_labels(b'{"images": 3}', refuse) is None


def test_pictures_without_label_are_refused(tmp_path):
    for found in ({"labels": None}, {"labels": LABELS[1:]}):
        archive = open_archive(str(pack(tmp_path / "a.zip", found)))
        with pytest.raises(InputError, match=r"have no label in dataset\.json"):
            make_plan(PrepareConfig(labels=True, image_size=4), archive)
        assert make_plan(PrepareConfig(image_size=4), archive).classes == ()
