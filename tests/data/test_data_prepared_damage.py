"""Prepared sets that were damaged: never called complete, never read in silence."""

import json
import os
import struct

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from pdm_tf.config import InputError, PrepareConfig
from pdm_tf.data.preparation import writing
from pdm_tf.data.preparation.prepare import prepare
from pdm_tf.data.records import Records, checksums, index_records, masked, scan
from pdm_tf.data.sources import open_source


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A data set of 12 classes in three files, and the bytes of all its files."""
    root = tmp_path_factory.mktemp("prepared")
    for i in range(1, 13):
        (root / "in" / str(i)).mkdir(parents=True)
        Image.new("L", (8, 8), i * 20).save(root / "in" / str(i) / "1.png")
    options = {"image_size": 8, "channels": 1, "labels": True, "shard_pictures": 4}
    config = PrepareConfig(source=f"{root}/in", out=f"{root}/out", **options)
    prepare(config)
    return config, {file: file.read_bytes() for file in (root / "out").iterdir()}


@pytest.fixture
def prepared(whole):
    config, content = whole
    for file, data in content.items():
        file.write_bytes(data)
    return config


def shards(config):
    from pathlib import Path

    return sorted(Path(config.out).glob("*.tfrecord-*"))


def test_numbered_classes_keep_their_order_and_names(prepared):
    source = open_source(f"tfds:{prepared.out}", (8, 8, 1), 12)
    assert source.class_names == tuple(str(i) for i in range(1, 13))
    pictures, labels = source.read(np.arange(12))
    assert (pictures[:, 0, 0, 0] // 20 - 1 == labels).all()


def cut(file):
    os.truncate(file, file.stat().st_size // 2)


def zero(file):
    file.write_bytes(bytes(file.stat().st_size))


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def remove(file):
    file.unlink()


def test_the_same_command_writes_lost_metadata(prepared, whole):
    (shards(prepared)[0].parent / "dataset_info.json").unlink()
    prepare(prepared)
    _, content = whole
    assert {file: file.read_bytes() for file in content} == content


@pytest.mark.parametrize("damage", [cut, zero, flip, remove])
def test_the_same_command_mends_a_damaged_file(prepared, whole, damage):
    damage(shards(prepared)[1])
    record = prepare(prepared)
    assert record.complete and record.pictures == 12
    _, content = whole
    assert {file: file.read_bytes() for file in content} == content


@pytest.mark.parametrize("damage", [cut, zero, remove])
@pytest.mark.parametrize("indexed", [True, False])
def test_a_damaged_file_is_not_read(prepared, damage, indexed):
    file = shards(prepared)[1]
    damage(file)
    if not indexed:
        (file.parent / "records_train.npz").unlink()
    with pytest.raises(InputError, match=r"missing|changed|checksum"):
        open_source(f"tfds:{prepared.out}", (8, 8, 1), 12)


def test_a_changed_record_is_named_and_left_out(prepared, capsys):
    flip(shards(prepared)[1])
    source = open_source(f"tfds:{prepared.out}", (8, 8, 1), 12)
    assert len(source) == 11 and len(source.skipped) == 1
    assert "differs from its checksum" in capsys.readouterr().err


def test_checksums_are_those_of_tensorflow(tmp_path):
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for size in (0, 1, 5, 1000):
            writer.write(bytes(range(250)) * 4)
            writer.write(os.urandom(size))
    spans = np.insert(scan(path), 0, 0, axis=1)
    records = Records((path,), spans)
    for index in range(8):
        records.read(index)
    data = path.read_bytes()
    crc = checksums()
    assert struct.unpack_from("<I", data, 8)[0] == masked(crc(data[:8]))
    for at in (0, 5, 9, 500, 1013):
        changed = bytearray(data)
        changed[at] ^= 4
        path.write_bytes(changed)
        with pytest.raises((OSError, InputError), match="checksum"):
            (Records((path,), spans).read(0), scan(path))


def test_an_index_of_other_records_is_made_again(tmp_path):
    path, kept = tmp_path / "a.tfrecord", tmp_path / "index.npz"
    for sizes in ((10, 30), (30, 10)):  # a file of the same size
        with tf.io.TFRecordWriter(str(path)) as writer:
            for size in sizes:
                writer.write(bytes(size))
        (found,) = index_records([path], [2], kept)
        assert found[:, 1].tolist() == list(sizes)


@pytest.mark.parametrize("kind", [np.float32, np.uint16])
def test_pictures_of_floats_are_refused_and_of_16_bits_are_read(tmp_path, kind):
    image = tfds.features.Image(shape=(4, 4, 1), dtype=kind)
    features = tfds.features.FeaturesDict({"image": image})
    path = writing.shard_path(tmp_path, "train", 0, 1)
    value = np.full((4, 4, 1), 0x7F10 if kind == np.uint16 else 0.5, kind)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(features.serialize_example({"image": value}))
    splits = {"train": [(1, path.stat().st_size)]}
    writing.write_metadata(tmp_path, features, splits, "")
    if kind == np.uint16:
        source = open_source(f"tfds:{tmp_path}", (4, 4, 1))
        assert (source.read(np.arange(1))[0] == 0x7F).all()
        return
    with pytest.raises(InputError, match="pictures are float32"):
        open_source(f"tfds:{tmp_path}", (4, 4, 1))


def test_an_old_record_keeps_the_order_of_its_labels(prepared, monkeypatch):
    """Version 0.1 sorted numbered folders as text; its sets are finished as begun."""
    from pdm_tf.data.preparation import prepare as room
    from pdm_tf.data.preparation.archives import open_archive
    from pdm_tf.data.preparation.plan import make_plan
    from pdm_tf.data.preparation.record import load, path_of

    record = load(path_of(shards(prepared)[0].parent, "train"))
    record.class_names.sort()
    plan = make_plan(prepared, open_archive(prepared.source))
    names = room._class_names(plan, record, [])
    assert names == sorted(names) != list(plan.class_names)


def test_a_record_of_version_0_1_still_serves(prepared):
    path = shards(prepared)[0].parent / "preparation_train.json"
    found = json.loads(path.read_text())
    for shard in found["shards"]:
        del shard["sha256"], shard["reasons"]
    path.write_text(json.dumps(found))
    assert len(open_source(f"tfds:{prepared.out}", (8, 8, 1), 12)) == 12
    assert prepare(prepared).complete
    cut(shards(prepared)[2])
    assert prepare(prepared).pictures == 12


@pytest.mark.parametrize(
    "change",
    [
        {"shards": None},
        {"shards": [{"pictures": "4", "size": 3}]},
        {"shards": [{"pictures": 4, "size": -3}]},
        {"class_names": [1, 2]},
        {"settings": {}},
        {"settings": 3},
        {"complete": "yes"},
        {"unknown": 1},
    ],
)
def test_a_record_of_another_form_is_refused_in_one_line(prepared, change):
    path = shards(prepared)[0].parent / "preparation_train.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    for use in (
        lambda: prepare(prepared),
        lambda: open_source(f"tfds:{prepared.out}", (8, 8, 1), 12),
    ):
        with pytest.raises(InputError, match="preparation_train") as caught:
            use()
        assert "\n" not in str(caught.value)
