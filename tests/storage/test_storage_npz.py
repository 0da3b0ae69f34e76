"""npz in blocks: NumPy's own bytes, in the memory of one block."""

import io
import tracemalloc

import numpy as np
import pytest

from pdm_tf.storage.npz import Blocks, read_shapes, write_npz_in_blocks

RNG = np.random.default_rng(0)
ARRAYS = {
    "arr_0": RNG.integers(0, 256, (7, 3, 2, 1), np.uint8),
    "labels": np.arange(7, dtype=np.int32),
    "class_names": np.array(["cat", "a, b", "☃"]),
    "empty": np.zeros((0, 4), np.float32),
}


def in_blocks(array, size):
    rows = (array[i : i + size] for i in range(0, len(array), size))
    return Blocks(array.shape, array.dtype, rows)


@pytest.mark.parametrize("size", [1, 2, 7, 9])
def test_the_file_is_numpys_own_to_the_bit(tmp_path, size):
    expected = io.BytesIO()
    np.savez(expected, **ARRAYS)
    whole = {k: v for k, v in ARRAYS.items() if k == "class_names"}
    given = {k: in_blocks(v, size) for k, v in ARRAYS.items()} | whole
    write_npz_in_blocks(tmp_path / "a.npz", given)
    assert (tmp_path / "a.npz").read_bytes() == expected.getvalue()
    shapes = {name: array.shape for name, array in ARRAYS.items()}
    assert read_shapes(tmp_path / "a.npz") == shapes


def test_memory_is_that_of_a_block(tmp_path):
    block = np.zeros((16, 64, 64, 3), np.uint8)
    count = 200  # 39 MB
    tracemalloc.start()
    array = Blocks((16 * count, 64, 64, 3), np.uint8, (block for _ in range(count)))
    write_npz_in_blocks(tmp_path / "a.npz", {"arr_0": array})
    assert read_shapes(tmp_path / "a.npz") == {"arr_0": (16 * count, 64, 64, 3)}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "a.npz").stat().st_size > block.nbytes * count
    assert peak < 4 * block.nbytes + 2**20


@pytest.mark.parametrize(
    "blocks",
    [
        [np.zeros((3, 2), np.uint8)],
        [np.zeros((5, 2), np.uint8)],
        [np.zeros((4, 3), np.uint8)],
        [np.zeros((4, 2), np.int8)],
    ],
)
def test_what_was_said_of_it_holds_or_nothing_is_written(tmp_path, blocks):
    file = tmp_path / "a.npz"
    file.write_bytes(b"before")
    with pytest.raises(ValueError):
        write_npz_in_blocks(file, {"arr_0": Blocks((4, 2), np.uint8, blocks)})
    assert file.read_bytes() == b"before" and list(tmp_path.iterdir()) == [file]


def test_any_damage_is_seen(tmp_path):
    file = tmp_path / "a.npz"
    write_npz_in_blocks(file, ARRAYS)
    sound = file.read_bytes()
    assert read_shapes(tmp_path / "missing") is None
    for size in range(0, len(sound), 41):
        file.write_bytes(sound[:size])
        assert read_shapes(file) is None
    seen = 0
    for at in range(0, len(sound), 7):
        file.write_bytes(sound[:at] + bytes([sound[at] ^ 4]) + sound[at + 1 :])
        if read_shapes(file) is None:
            seen += 1
            continue
        with np.load(file, allow_pickle=False) as found:  # bits that say nothing
            for name in found.files:
                if name in ARRAYS:
                    np.testing.assert_array_equal(found[name], ARRAYS[name])
    assert seen > 100
