"""What preparation refuses, what it says then, further splits, and its command."""

import gzip
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from containers import KINDS, pack, photographs, write_tar
from PIL import Image

from pdm_tf.config import InputError, PrepareConfig
from pdm_tf.data.__main__ import main
from pdm_tf.data.preparation.prepare import prepare
from pdm_tf.data.sources import open_source

SIZE = 8
PHOTOGRAPHS = photographs(6)


def settings(source, out, **changes):
    return PrepareConfig(
        source=str(source), out=str(out), **{"image_size": SIZE, **changes}
    )


@pytest.fixture
def folder(tmp_path):
    return pack("folder", PHOTOGRAPHS, tmp_path)


def test_a_second_split_joins_the_first(tmp_path, folder):
    out = tmp_path / "out"
    prepare(settings(folder, out, labels=True))
    (tmp_path / "more").mkdir()
    one = {"eel/new.jpg": PHOTOGRAPHS["cat/000.jpeg"]}
    held_out = pack("folder", one, tmp_path / "more")
    prepare(settings(held_out, out, labels=True, split="test"))
    for split, count in (("train", 6), ("test", 1)):
        source = open_source(f"tfds:{out}", (SIZE, SIZE, 3), 3, split)
        assert len(source) == count and source.class_names == ("cat", "dog", "eel")
    assert source.read(np.zeros(1, np.int64))[1] == [2]
    assert set(tfds.builder_from_directory(str(out)).info.splits) == {"train", "test"}
    assert (out / "contact_sheet_test.png").is_file()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"image_size": 16}, "begun with image_shape"),
        ({"channels": 1}, "begun with image_shape"),
        ({"labels": True}, "begun with labels"),
        ({"shard_pictures": 2}, "begun with shard_pictures"),
        ({"split": "test", "image_size": 16}, "split train has image_shape"),
        ({"split": "test", "labels": True}, "split train has labels"),
    ],
)
def test_other_settings_do_not_mix(changes, fault, tmp_path, folder):
    prepare(settings(folder, tmp_path / "out"))
    with pytest.raises(InputError, match=f"^out=.*{fault}"):
        prepare(settings(folder, tmp_path / "out", **changes))


def test_a_changed_source_does_not_go_on(tmp_path, folder):
    prepare(settings(folder, tmp_path / "out"))
    (tmp_path / "folder" / "new.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="begun with"):
        prepare(settings(folder, tmp_path / "out"))


def test_foreign_directories_are_left_alone(tmp_path, folder):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("")
    with pytest.raises(InputError, match="not empty"):
        prepare(settings(folder, tmp_path / "out"))


def test_unknown_classes_do_not_join(tmp_path, folder):
    prepare(settings(folder, tmp_path / "out", labels=True))
    (tmp_path / "more").mkdir()
    source = pack("folder", {"a/x.jpg": b"", "b/x.jpg": b""}, tmp_path / "more")
    with pytest.raises(InputError, match="class a is not among"):
        prepare(settings(source, tmp_path / "out", labels=True, split="test"))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"source": "nowhere"}, "source=nowhere: does not exist"),
        ({"source": ""}, "source=: does not exist"),
        ({"out": ""}, "out is missing"),
        ({"image_size": 0}, "image_size=0"),
        ({"channels": 2}, "channels=2"),
        ({"split": "a b"}, "split=a b"),
        ({"shard_pictures": -1}, "shard_pictures=-1"),
    ],
)
def test_impossible_flags_are_refused(changes, fault, tmp_path, folder):
    flags = {"source": folder, "out": str(tmp_path / "out"), **changes}
    with pytest.raises(InputError, match=fault):
        prepare(settings(**flags))
    assert not (tmp_path / "out").exists()


def refused(path, fault, **changes):
    with pytest.raises(InputError, match=f"^(source|labels).*{fault}"):
        prepare(settings(path, path.parent / "out", **changes))


def test_sources_that_are_none_are_refused(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no pictures")
    (tmp_path / "text.txt").write_text("text")
    refused(tmp_path / "text.txt", "neither a zip nor a tar")
    write_tar(tmp_path / "a.tar", PHOTOGRAPHS)
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tgz").write_bytes(gzip.compress(whole))
    refused(tmp_path / "a.tgz", "compressed")
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "cut.tar", "broken")
    pack("lmdb", PHOTOGRAPHS, tmp_path)
    monkeypatch.setitem(sys.modules, "lmdb", None)
    refused(tmp_path / "lmdb", "pip install lmdb")


def test_labels_need_folders(tmp_path):
    loose = {path.partition("/")[2]: data for path, data in PHOTOGRAPHS.items()}
    pack("folder", loose, tmp_path)
    refused(tmp_path / "folder", "lie in no class folder", labels=True)


def test_train_and_test_are_not_thrown_together(tmp_path):
    files = {f"{split}/{k}": v for k, v in PHOTOGRAPHS.items() for split in ("train",)}
    pack("folder", {**files, "val/x.jpg": b""}, tmp_path)
    refused(tmp_path / "folder", "train and test", labels=True)
    refused(tmp_path / "folder", "train and test")


def test_a_source_without_a_sound_picture_is_refused(tmp_path):
    pack("folder", {"a.jpg": b"", "b.png": b"text"}, tmp_path)
    refused(tmp_path / "folder", "none of its 2 pictures")


def test_hidden_members_are_no_pictures(tmp_path):
    for kind in ("zip", "tar of tars"):
        (tmp_path / kind).mkdir()
        extra = {"cat/._000.jpeg": b"", "cat/notes.txt": b"", "dog/.x/a.jpg": b""}
        source = pack(kind, {**PHOTOGRAPHS, **extra}, tmp_path / kind)
        record = prepare(settings(source, tmp_path / kind / "out", labels=True))
        assert (record.pictures, record.skipped) == (6, [])


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_says_what_it_made(kind, tmp_path, capsys):
    source = pack(kind, PHOTOGRAPHS, tmp_path)
    flags = [f"--source={source}", f"--out={tmp_path}/out", "--image_size=8"]
    for word in ([], ["prepare"]):  # again: the same answer at once
        assert main(["", *word, *flags, "--channels=1"]) == 0
        said = capsys.readouterr().out
        assert "6 pictures in 1 files" in said and "0 broken" in said
    assert f"--dataset=tfds:{tmp_path}/out --image_shape=8,8,1" in said
    sheet = np.asarray(Image.open(tmp_path / "out" / "contact_sheet_train.png"))
    source = open_source(f"tfds:{tmp_path}/out", (8, 8, 1))
    np.testing.assert_array_equal(
        sheet[2:10, 2:10], source.read(np.arange(1))[0][0, ..., 0]
    )


def test_the_command_measures(tmp_path, folder, capsys):
    prepare(settings(folder, tmp_path / "out"))
    flags = [f"--dataset=tfds:{tmp_path}/out", "--image_shape=8,8,3", "--batch_size=4"]
    for word in ("measure", "--measure"):  # as it was spelled before
        assert main(["", word, "--measure_seconds=0.2", *flags]) == 0
    said = capsys.readouterr().out
    assert "from memory" in said
    assert float(said.split(": ")[1].split()[0].replace(",", "")) > 100
    with pytest.raises(InputError, match="measure_seconds=0"):
        main(["", "measure", "--measure_seconds=0", *flags])
