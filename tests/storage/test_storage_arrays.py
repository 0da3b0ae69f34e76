"""Named arrays: the same bits back, and no damage unnoticed."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pdm_tf.errors import InputError
from pdm_tf.storage.arrays import ArrayFile, read_arrays, read_metadata, write_arrays
from pdm_tf.storage.files import checksum

rng = np.random.default_rng(0)
ARRAYS = {
    "network.a.kernel": rng.standard_normal((3, 3, 2, 4)).astype(np.float32),
    "network.a.bias": rng.standard_normal(4),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "step": np.array([7], np.int64),
    "mask": np.array([[True], [False]]),
    "half": np.array([1, 2], np.float16),
}
LARGE = {  # what packing makes smaller, and zeros that it leaves
    "a": (rng.standard_normal((3, 50, 20)) / 50).astype(np.float32),
    "counted": np.arange(3000, dtype=np.int64).reshape(30, 100),
    "zeros": np.zeros(10**5, np.float32),
    **ARRAYS,
}


def same(found, arrays):
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


def test_arrays_come_back_bit_by_bit(path):
    write_arrays(path, ARRAYS, {"method": "lora"})
    same(read_arrays(path), ARRAYS)
    assert read_metadata(path) == {"method": "lora"}


def test_the_same_content_has_the_same_bytes(path):
    """The library lays metadata in an order of chance."""
    said = {name: f"{name} ü \n {{}}" for name in "dacb"}
    sums = {
        write_arrays(path, ARRAYS, dict(order))
        for order in 8 * (list(said.items()), list(reversed(said.items())))
    }
    assert len(sums) == 1 and read_metadata(path) == said
    same(load_file(path), ARRAYS)


def test_the_checksum_returned_is_that_of_the_file_and_is_held_to(path):
    found = write_arrays(path, ARRAYS)
    assert found == checksum(path) == write_arrays(path, ARRAYS)
    same(read_arrays(path, found.upper()), ARRAYS)
    write_arrays(path, {**ARRAYS, "step": np.array([8], np.int64)})
    with pytest.raises(InputError, match=f"{path.name}: its SHA-256 is not"):
        read_arrays(path, found)


def test_the_order_of_an_array_in_memory_does_not_matter(path):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    views = {"t": array.T, "f": np.asfortranarray(array), "s": array[:, ::-1, ::2]}
    write_arrays(path, views)
    same(read_arrays(path), views)


def test_float16_halves_the_file_and_reads_back_in_its_own_type(path):
    arrays = {"a": rng.standard_normal((100, 100)).astype(np.float32), **ARRAYS}
    write_arrays(path, arrays)
    whole = path.stat().st_size
    write_arrays(path, arrays, {"b": "c"}, half=True)
    assert path.stat().st_size < 0.55 * whole
    rounded = {
        name: a.astype(np.float16).astype(a.dtype) if a.dtype.kind == "f" else a
        for name, a in arrays.items()
    }
    same(read_arrays(path), rounded)
    assert read_metadata(path) == {"b": "c"}
    write_arrays(path, rounded, {"b": "c"}, half=True)
    same(read_arrays(path), rounded)


def test_packed_arrays_come_back_bit_by_bit_and_are_smaller(path):
    write_arrays(path, LARGE, {"b": "c"})
    whole = path.stat().st_size
    write_arrays(path, LARGE, {"b": "c"}, packed=True)
    assert path.stat().st_size < whole - 20_000
    same(read_arrays(path), LARGE)
    assert read_metadata(path) == {"b": "c"}
    assert load_file(path)["a"].dtype == np.uint8
    half = {n: LARGE[n].astype(np.float16).astype(np.float32) for n in ("a", "zeros")}
    write_arrays(path, half, half=True, packed=True)
    same(read_arrays(path), half)
    assert set(ArrayFile(path).stored.values()) == {np.dtype(np.float16)}


def test_a_packed_array_that_claims_to_be_what_it_is_not_is_refused(path):
    content = np.frombuffer(b"x" * 1000, np.uint8)
    shapes = [10**9], [2**40, 2**40], [16_001 * 4], [-1, -4], [0, 2**70], [1.5], [250]
    for said in [["float32", shape] for shape in shapes] + ["float32", 3, ["text", []]]:
        save_file({"a": content}, path, {"pdm_tf.packed": json.dumps({"a": said})})
        refused(path)
    for said in ("[]", '{"b": ["int8", [4]]}', '{"a": ["int8", [1e999]]}', "[[["):
        save_file({"a": content}, path, {"pdm_tf.packed": said})
        refused(path)


def test_packed_bytes_that_unpack_to_more_or_less_are_refused(path):
    write_arrays(path, {"a": LARGE["a"]}, packed=True)
    dense = load_file(path)["a"]
    for shape in ([3000], [1, 2999], [3001], [60_000]):
        said = json.dumps({"a": ["float32", shape]})
        save_file({"a": dense}, path, {"pdm_tf.packed": said})
        if shape == [3000]:
            same(read_arrays(path), {"a": LARGE["a"].reshape(-1)})
        else:
            refused(path)


def test_a_number_too_large_for_float16_is_refused(path):
    arrays = {"a": np.array([1.0, 7e4], np.float32)}
    with pytest.raises(InputError, match="a is too large for float16; store it whole"):
        write_arrays(path, arrays, half=True)
    assert not path.exists()
    arrays = {"a": np.array([1.0, np.inf, np.nan], np.float32)}
    write_arrays(path, arrays, half=True)
    same(read_arrays(path), arrays)


def test_files_of_others_are_read_and_others_read_ours(path):
    save_file(ARRAYS, path)
    same(read_arrays(path), ARRAYS)
    assert read_metadata(path) == {}
    write_arrays(path, ARRAYS)
    same(load_file(path), ARRAYS)


def refused(path):
    with pytest.raises(InputError) as caught:
        read_arrays(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    assert "copy or download it again" in text


def test_every_cut_is_noticed(path):
    write_arrays(path, ARRAYS)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        refused(path)
    path.write_bytes(content + b"\0")
    refused(path)


@pytest.mark.parametrize("packed", [False, True])
def test_every_changed_bit_of_what_is_stored_is_noticed(path, packed):
    arrays = ARRAYS | ({"a": LARGE["a"]} if packed else {})
    write_arrays(path, arrays, {"method": "lora"}, packed=packed)
    content = path.read_bytes()
    positions = np.random.default_rng(1).integers(0, len(content), 300)
    for position in map(int, positions):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        path.write_bytes(changed)
        try:
            found = read_arrays(path)
        except InputError as error:
            assert str(error).startswith(f"{path}: ")
        else:  # such as a blank that became a tab
            same(found, arrays)
            assert read_metadata(path)["method"] == "lora"


def test_what_is_no_such_file_is_refused(path, tmp_path):
    refused(path)
    refused(tmp_path)
    for content in (b"", b"{}", b"\xff" * 64, b"PK\x03\x04" + bytes(60)):
        path.write_bytes(content)
        refused(path)
