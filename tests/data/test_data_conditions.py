"""Attributes and several labels of a folder's pictures: what is read, and refused."""

import json

import numpy as np
import pytest
from PIL import Image

from pdm_tf.config import UNetConfig
from pdm_tf.config.conditioning import Attribute, Conditions, conditions_of
from pdm_tf.data.condition_rows import as_rows, asked_rows, spread_rows
from pdm_tf.data.folder import read_rows
from pdm_tf.data.identity import identify
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.sources import open_source
from pdm_tf.errors import SettingError

TABLE = """file_name,age,smiling,labels
a.png,33,1,dog; cat
b.png,,0,
sub/c.png,7,,cat
"""
BOTH = Conditions(2, True, (Attribute("age", 0, 100), Attribute("smiling")))
AGE = Conditions(0, False, (Attribute("age", 0, 100),))
NAN = float("nan")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    for level, name in enumerate(("a.png", "b.png", "sub/c.png")):
        Image.new("L", (4, 4), level).save(tmp_path / name)
    return tmp_path


def opened(folder, conditions, num_classes=None):
    count = conditions.num_classes if num_classes is None else num_classes
    return open_source(f"folder:{folder}", (4, 4, 1), count, conditions=conditions)


def test_a_table_gives_rows_in_the_order_of_the_pictures(folder):
    (folder / "metadata.csv").write_text(TABLE)
    source = opened(folder, BOTH)
    pictures, rows = source.read(np.arange(3))
    wanted = [[1, 1, 33, 1], [0, 0, NAN, 0], [1, 0, 7, NAN]]
    np.testing.assert_array_equal(rows, np.float32(wanted))
    assert rows.dtype == np.float32 and pictures[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert source.class_names == ("cat", "dog")
    np.testing.assert_array_equal(read_rows(str(folder), BOTH, "train"), rows)


def test_a_dataset_json_tells_the_same(folder):
    labels = [["a.png", [1, 0]], ["b.png", []], ["sub/c.png", 0]]
    ages = [["a.png", {"age": 33, "smiling": 1}], ["b.png", {"smiling": 0}]]
    told = {"labels": labels, "attributes": [*ages, ["sub/c.png", {"age": 7}]]}
    (folder / "dataset.json").write_text(json.dumps(told))
    rows = opened(folder, BOTH).read(np.arange(3))[1]
    wanted = [[1, 1, 33, 1], [0, 0, NAN, 0], [1, 0, 7, NAN]]
    np.testing.assert_array_equal(rows, np.float32(wanted))


def test_classes_of_folders_stand_beside_attributes(tmp_path):
    for name in ("cat/a.png", "dog/b.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("L", (4, 4), 9).save(tmp_path / name)
    (tmp_path / "metadata.csv").write_text("file_name,age\ncat/a.png,1\ndog/b.png,2\n")
    conditions = Conditions(2, False, AGE.attributes)
    source = opened(tmp_path, conditions)
    assert source.class_names == ("cat", "dog")
    assert source.read(np.arange(2))[1].tolist() == [[1, 0, 1], [0, 1, 2]]


def test_without_conditions_the_table_is_not_looked_at(folder):
    (folder / "metadata.csv").write_text("nonsense")
    source = open_source(f"folder:{folder}", (4, 4, 1), 0)
    assert source.read(np.arange(3))[1].tolist() == [0, 0, 0]


def test_batches_hold_rows_and_a_data_set_is_known_by_them(folder):
    (folder / "metadata.csv").write_text(TABLE)
    source = opened(folder, BOTH)
    x, rows = next(iter(training_batches(source, 6, 0)))
    by_level = {int(p[0, 0, 0]): r for p, r in zip(x, rows.numpy(), strict=True)}
    for level, row in by_level.items():
        np.testing.assert_array_equal(row, source.labels[level])
    probe = identify(source)["probe"]
    (folder / "metadata.csv").write_text(TABLE.replace("33", "33.5"))
    assert identify(opened(folder, BOTH))["probe"] != probe


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "metadata.csv and no dataset.json"),
        (TABLE.replace("b.png,,0,\n", ""), "no row .* b.png"),
        (TABLE + "gone.png,1,1,cat\n", "without a picture .* gone.png"),
        (TABLE + "a.png,1,1,cat\n", "two rows of a.png"),
        (TABLE.replace("33", "nan"), "age of a.png .* is nan"),
        (TABLE.replace("33", "-inf"), "age of a.png .* is -inf"),
        (TABLE.replace("33", "old"), "age of a.png .* is old"),
        (TABLE.replace("33", "133"), "7 to 133 .* give age:0:133"),
        (TABLE.replace("age", "ages"), "no attribute age; did you mean ages"),
        (TABLE.replace("33,1", "33"), "3 values in the row of a.png"),
        (TABLE.replace("file_name", "name"), "file_name among them"),
        (TABLE.replace("dog", "cat"), "1 labels"),
        (TABLE.replace("labels", "tags"), "no labels"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(folder, table, message):
    if table is not None:
        (folder / "metadata.csv").write_text(table)
    with pytest.raises(SettingError, match=message) as caught:
        opened(folder, BOTH)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "told",
    [
        "no json",
        "[]",
        '{"labels": [["a.png"]]}',
        '{"labels": [["a.png", {}]]}',
        '{"attributes": [["a.png", 3]]}',
    ],
)
def test_a_dataset_json_that_is_none_is_refused(folder, told):
    (folder / "dataset.json").write_text(told)
    with pytest.raises(SettingError, match=r"dataset\.json"):
        opened(folder, BOTH)


def test_other_sources_have_none():
    with pytest.raises(SettingError, match="folder:PATH"):
        open_source("mnist", (32, 32, 1), 0, conditions=AGE)


@pytest.mark.parametrize(
    "attributes",
    [("age:1",), ("age:5:5",), ("age:0:x",), ("age", "age"), ("",), ("classes",)],
)
def test_attributes_that_make_no_sense_are_refused(attributes):
    with pytest.raises(SettingError, match="attributes"):
        conditions_of(UNetConfig(attributes=attributes))


def test_several_labels_need_a_number_and_nothing_needs_no_conditions():
    assert conditions_of(UNetConfig(num_classes=10)) is None
    with pytest.raises(SettingError, match="num_classes"):
        conditions_of(UNetConfig(several_labels=True))


def test_rows_are_asked_for_by_name_in_turn():
    names = ("cat", "dog")
    rows = asked_rows(BOTH, 3, ("cat+dog", "none"), ("age=10/20",), names)
    wanted = [[1, 1, 10, NAN], [0, 0, 20, NAN], [1, 1, 10, NAN]]
    np.testing.assert_array_equal(rows, np.float32(wanted))
    unknown = asked_rows(BOTH, 1, ("2",), ("smiling=1",), names)
    np.testing.assert_array_equal(unknown, np.float32([[NAN, NAN, NAN, 1]]))


@pytest.mark.parametrize(
    ("labels", "attributes", "message"),
    [
        (("bird",), (), "no such class"),
        (("cat+2",), (), "alone"),
        ((), ("aeg=3",), "did you mean age"),
        ((), ("age",), "finite numbers"),
        ((), ("age=nan",), "finite numbers"),
    ],
)
def test_what_is_asked_for_and_not_there_is_refused(labels, attributes, message):
    with pytest.raises(SettingError, match=message):
        asked_rows(BOTH, 2, labels, attributes, ("cat", "dog"))


def test_rows_nobody_chose_are_spread_evenly_and_each_of_its_number_alone():
    rows = spread_rows(BOTH, np.arange(1000))
    assert rows[:, :2].sum(0).tolist() == [500, 500]
    for column, high in ((2, 100), (3, 1)):
        counts = np.histogram(rows[:, column], 10, (0, high))[0]
        assert counts.min() >= 97 and counts.max() <= 103
    np.testing.assert_array_equal(spread_rows(BOTH, np.array([7, 990])), rows[[7, 990]])


def test_classes_become_rows_of_unknown_attributes():
    rows = as_rows(BOTH, np.array([1, 2]))
    wanted = [[0, 1, NAN, NAN], [NAN, NAN, NAN, NAN]]
    np.testing.assert_array_equal(rows, np.float32(wanted))
    labels = np.array([1, 2], np.int32)
    assert as_rows(None, labels) is labels
