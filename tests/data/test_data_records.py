"""Records by position: the index, broken files and broken records."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from pdm_tf.config import InputError
from pdm_tf.data import records
from pdm_tf.data.preparation import writing
from pdm_tf.data.records import Spans, index_records, scan
from pdm_tf.data.sources import open_source
from pdm_tf.data.tfds import read_tfds
from pdm_tf.storage.images import encode_png


def write(path, data):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in data:
            writer.write(record)


def random_records(count, seed=0):
    random = np.random.default_rng(seed)
    return [random.bytes(n) for n in random.integers(0, 300, count)]


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{k}.tfrecord" for k in range(3)]
    for k, (path, count) in enumerate(zip(paths, (7, 0, 4), strict=True)):
        write(path, random_records(count, k))
    return paths


def test_every_record_is_found(files):
    for k, (path, count) in enumerate(zip(files, (7, 0, 4), strict=True)):
        found = scan(path)
        spans = Spans((path,), np.insert(found, 0, 0, axis=1))
        data = [spans.read(index) for index in range(len(spans))]
        assert data == random_records(count, k)


def test_the_index_is_kept_until_a_file_changes(files, tmp_path, monkeypatch):
    kept, counts = tmp_path / "index.npz", [7, 0, 4]
    first = index_records(files, counts, kept)
    with monkeypatch.context() as patch:
        patch.setattr(records, "scan", None)
        again = index_records(files, counts, kept)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    write(files[2], random_records(5, 9))
    changed = index_records(files, [7, 0, 5], kept)
    np.testing.assert_array_equal(changed[2], scan(files[2]))
    kept.write_bytes(b"broken")
    for one, other in zip(index_records(files, [7, 0, 5], kept), changed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_folder_that_takes_no_index_is_read_all_the_same(files, tmp_path):
    index = index_records(files, [7, 0, 4], tmp_path / "no" / "such" / "folder.npz")
    assert [len(one) for one in index] == [7, 0, 4]


@pytest.mark.parametrize("cut", [1, 3, 5, 14, 200])
def test_broken_files_are_refused(cut, files):
    data = files[0].read_bytes()
    for broken in (data[:-cut], data + data[:cut], b"\x1f\x8b" + data):
        files[0].write_bytes(broken)
        with pytest.raises(InputError, match=r"0\.tfrecord: .*(whole|records)"):
            index_records(files, [7, 0, 4])


def test_missing_files_and_other_counts_are_refused(files):
    with pytest.raises(InputError, match="4 records and not 5"):
        index_records(files, [7, 0, 5])
    files[1].unlink()
    with pytest.raises(InputError, match=r"1\.tfrecord: cannot be read"):
        index_records(files, [7, 0, 4])


def make_set(out, labels, pictures, fault=None):
    """A data set of flat pictures, some record of which is replaced."""
    out.mkdir()
    features = writing.make_features((4, 4, 1), labels and ["a", "b", "c"])
    path = writing.shard_path(out, "train", 0, 1)
    flat = [np.full((4, 4, 1), level, np.uint8) for level in pictures]
    examples = [
        {"image": encode_png(x), "file_name": f"{k}", "label": "abc"[k % 3]}
        for k, x in enumerate(flat)
    ]
    if not labels:
        for example in examples:
            del example["label"]
    writing.write_shard(path, features, examples)
    if fault is not None:
        data = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        write(path, [fault if k == 1 else one for k, one in enumerate(data)])
    size = path.stat().st_size
    writing.write_metadata(out, features, {"train": [(len(flat), size)]}, "")
    return f"tfds:{out}"


def unlabelled_test_picture():
    example = tf.train.Example()
    feature = example.features.feature
    picture = encode_png(np.zeros((4, 4, 1), np.uint8))
    feature["image"].bytes_list.value.append(picture)
    feature["label"].int64_list.value.append(-1)
    return example.SerializeToString()


@pytest.mark.parametrize(
    "fault", [b"\xff", b"", unlabelled_test_picture()], ids=["junk", "empty", "-1"]
)
def test_a_broken_record_is_left_out_and_named(fault, tmp_path):
    dataset = make_set(tmp_path / "set", True, [10, 20, 30, 40], fault)
    source = open_source(dataset, (4, 4, 1), 3)
    pictures, labels = source.read(np.arange(3))
    assert (pictures[:, 0, 0, 0].tolist(), labels.tolist()) == ([10, 30, 40], [0, 2, 0])
    assert source.skipped == ("record 1",)
    on_demand = read_tfds(str(tmp_path / "set"), (4, 4, 1))
    pictures, labels = on_demand.read(np.array([1, 0, 3, 1]))
    assert pictures[:, 0, 0, 0].tolist() == [30, 10, 40, 30]
    assert labels.tolist() == [2, 0, 0, 2]


def test_without_labels_there_are_no_classes(tmp_path):
    dataset = make_set(tmp_path / "set", False, [10, 20])
    source = open_source(dataset, (4, 4, 1))
    assert source.class_names == () and source.read(np.arange(2))[1].tolist() == [0, 0]
    with pytest.raises(InputError, match="has no classes"):
        open_source(dataset, (4, 4, 1), 2)


def test_a_moved_data_set_reads_on(tmp_path):
    make_set(tmp_path / "set", True, [10, 20])
    open_source(f"tfds:{tmp_path}/set", (4, 4, 1))
    shutil.move(tmp_path / "set", tmp_path / "moved")
    source = open_source(f"tfds:{tmp_path}/moved", (4, 4, 1))
    assert source.read(np.arange(2))[0][:, 0, 0, 0].tolist() == [10, 20]


def test_other_formats_are_refused(tmp_path):
    make_set(tmp_path / "set", True, [10, 20])
    info = tmp_path / "set" / "dataset_info.json"
    info.write_text(info.read_text().replace('"tfrecord"', '"array_record"'))
    with pytest.raises(InputError, match="array_record; prepare it with"):
        open_source(f"tfds:{tmp_path}/set", (4, 4, 1))


@pytest.mark.parametrize(
    "features",
    [
        {"image_a": tfds.features.Image(), "image_b": tfds.features.Image()},
        {"text": tfds.features.Text()},
    ],
    ids=["two pictures", "none"],
)
def test_a_data_set_has_one_picture_an_example(features, tmp_path):
    make_set(tmp_path / "set", False, [10])
    writing.write_metadata(
        tmp_path / "set", tfds.features.FeaturesDict(features), {"train": [(1, 9)]}, ""
    )
    with pytest.raises(InputError, match="needs one feature that is a picture"):
        open_source(f"tfds:{tmp_path}/set", (4, 4, 1))
