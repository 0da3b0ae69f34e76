"""Preparation: all formats alike, the same bytes after any kill, faults named."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from containers import CLASSES, KINDS, LABELLED, pack, photographs

from pdm_tf.config import InputError, PrepareConfig
from pdm_tf.data.images import read_picture
from pdm_tf.data.preparation import one_file
from pdm_tf.data.preparation import prepare as preparing
from pdm_tf.data.preparation.prepare import prepare
from pdm_tf.data.sources import open_source

SIZE, PICTURES, SHARD = 32, 20, 6
PHOTOGRAPHS = photographs(PICTURES)


def settings(source, out, **changes):
    common = {"image_size": SIZE, "shard_pictures": SHARD, "labels": True}
    return PrepareConfig(source=str(source), out=str(out), **{**common, **changes})


def content(out):
    return {path.name: path.read_bytes() for path in out.iterdir()}


def examples(out, split="train"):
    """What TensorFlow Datasets reads without any code of ours."""
    builder = tfds.builder_from_directory(str(out))
    return list(builder.as_dataset(split=split).as_numpy_iterator()), builder.info


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return pack("folder", PHOTOGRAPHS, tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """A data set that was prepared without a stop."""
    out = tmp_path_factory.mktemp("data") / "whole"
    prepare(settings(folder, out))
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_becomes_the_same_pictures(kind, tmp_path):
    labels = kind in LABELLED
    out = tmp_path / "out"
    record = prepare(settings(pack(kind, PHOTOGRAPHS, tmp_path), out, labels=labels))
    assert (record.pictures, record.skipped, len(record.shards)) == (PICTURES, [], 4)
    found, info = examples(out)
    assert sorted(e["file_name"].decode() for e in found) == sorted(PHOTOGRAPHS)
    for example in found:
        name = example["file_name"].decode()
        expected = read_picture(PHOTOGRAPHS[name], (SIZE, SIZE, 3))
        np.testing.assert_array_equal(example["image"], expected)
        assert ("label" in example) == labels
        if labels:
            assert CLASSES[example["label"]] == name.partition("/")[0]
    assert not labels or tuple(info.features["label"].names) == CLASSES


def test_all_formats_give_the_same_bytes(tmp_path, whole):
    for kind in LABELLED:
        (tmp_path / kind).mkdir()
        out = tmp_path / kind / "out"
        prepare(settings(pack(kind, PHOTOGRAPHS, tmp_path / kind), out))
        alike = {k: v for k, v in content(out).items() if "preparation" not in k}
        assert alike == {k: v for k, v in content(whole).items() if k in alike}
        assert len(alike) == len(content(whole)) - 1


@pytest.mark.parametrize("stop", [0, 1, 5, 6, 7, 13, 19])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    stop, folder, whole, tmp_path, monkeypatch
):
    calls = iter(range(99))

    def interrupted(*arguments, made=one_file._made):
        if next(calls) == stop:
            raise KeyboardInterrupt
        return made(*arguments)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(one_file, "_made", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(settings(folder, out))
    with pytest.raises(InputError, match="same command"):
        open_source(f"tfds:{out}", (SIZE, SIZE, 3))
    kept = content(out)
    assert sum("tfrecord" in name for name in kept) <= stop // SHARD
    prepare(settings(folder, out))
    assert content(out) == content(whole)


def test_a_killed_process_leaves_nothing_wrong(folder, whole, tmp_path):
    program = f"""
import os, signal, sys
from pdm_tf.config import PrepareConfig
from pdm_tf.data.preparation import one_file
from pdm_tf.data.preparation.prepare import prepare
def killed(encode, calls, picture, **how):
    if next(calls) == 15:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(picture, **how)
from functools import partial
one_file.encode_png = partial(killed, one_file.encode_png, iter(range(99)))
prepare({settings(folder, tmp_path / "out")!r})
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    kept = {k: v for k, v in content(tmp_path / "out").items() if k[0] != "."}
    shards = [name for name in kept if "tfrecord" in name]
    assert len(shards) == 2
    written = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in shards}
    prepare(settings(folder, tmp_path / "out"))
    assert content(tmp_path / "out") == content(whole)
    for name, when in written.items():  # finished files are kept, not made again
        assert (tmp_path / "out" / name).stat().st_mtime_ns == when


def test_a_finished_run_does_nothing(folder, whole, monkeypatch):
    monkeypatch.setattr(one_file, "_made", None)
    before = {path: path.stat().st_mtime_ns for path in whole.iterdir()}
    assert prepare(settings(folder, whole)).pictures == PICTURES
    assert {path: path.stat().st_mtime_ns for path in whole.iterdir()} == before


def test_a_lost_file_is_made_again(folder, whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(preparing, "_finish", lambda *_: None)
        prepare(settings(folder, out))
    (out / "pictures-train.tfrecord-00001-of-00004").write_bytes(b"half")
    prepare(settings(folder, out))
    assert content(out) == content(whole)


@pytest.mark.parametrize("kind", ["folder", "zip", "tars", "lmdb"])
def test_broken_pictures_are_left_out_and_named(kind, tmp_path):
    # Enough of them to make an empty file, whatever the order.
    sound = dict(list(PHOTOGRAPHS.items())[:4])
    broken = {f"dog/broken{i}.jpg": b"no picture" for i in range(40)}
    broken["cat/short.jpg"] = PHOTOGRAPHS["cat/000.jpeg"][:900]
    source = pack(kind, {**sound, **broken}, tmp_path)
    out = tmp_path / "out"
    record = prepare(settings(source, out, labels=False, shard_pictures=3))
    assert sorted(record.skipped) == sorted(broken)
    assert 0 in [shard.pictures for shard in record.shards]
    found, _ = examples(out)
    assert sorted(e["file_name"].decode() for e in found) == sorted(sound)
    read, _ = open_source(f"tfds:{out}", (SIZE, SIZE, 3)).read(np.arange(4))
    np.testing.assert_array_equal(read, [example["image"] for example in found])


def test_the_order_is_mixed(whole):
    labels = [example["label"] for example in examples(whole)[0]]
    assert (np.diff(labels) != 0).mean() > 0.4  # sorted would be 0.1
