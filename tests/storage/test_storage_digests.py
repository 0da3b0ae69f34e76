"""A digest is of what is there: every change is another, no other order or name is."""

import numpy as np
import pytest

from pdm_tf.storage.digests import digest_arrays, digest_files, digest_json

A = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.float32(2.5)


def test_order_layout_and_byte_order_are_nothing():
    found = digest_arrays({"a": A, "b": B})
    same = {"b": B, "a": np.asfortranarray(A).astype(">f4")}
    assert digest_arrays(same) == found
    assert digest_json({"a": 1, "b": [1, 2]}) == digest_json({"b": [1, 2], "a": 1})


@pytest.mark.parametrize(
    "other",
    [
        {"a": A},
        {"a": A, "c": B},
        {"a": A.astype(np.float64), "b": B},
        {"a": A.astype(np.int32), "b": B},
        {"a": A.reshape(3, 2), "b": B},
        {"a": -A, "b": B},
        {"a": A, "b": B, "c": np.zeros((0, 3))},
        {"a": np.where(A == 0, np.float32(-0.0), A), "b": B},
    ],
)
def test_every_change_is_another(other):
    assert digest_arrays(other) != digest_arrays({"a": A, "b": B})


def test_bool_int_and_text_differ_in_json():
    values = [1, True, "1", [1], {"1": 1}, 1.5, None]
    assert len({digest_json(value) for value in values}) == len(values)
    with pytest.raises(ValueError, match="JSON"):
        digest_json(float("nan"))


def test_files_count_by_name_and_content_and_not_by_place(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "x").mkdir(parents=True)
        (tmp_path / name / "x" / "a").write_text("a")
        (tmp_path / name / "b").write_text("b")
    found = digest_files(tmp_path / "one")
    assert digest_files(tmp_path / "two") == found
    (tmp_path / "two" / "b").rename(tmp_path / "two" / "c")
    assert digest_files(tmp_path / "two") != found
