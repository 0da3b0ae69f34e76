"""A packed directory comes back as it was, or not at all."""

import zipfile

import numpy as np
import pytest

from pdm_tf.config import InputError
from pdm_tf.storage.packs import pack, unpack
from pdm_tf.storage.sums import NAME, write_sums

RNG = np.random.default_rng(0)


@pytest.fixture
def packed(tmp_path):
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.bin").write_bytes(RNG.bytes(5000))
    (folder / "inner" / "b.txt").write_text("words")
    pack(folder, tmp_path / "it.zip")
    return folder, tmp_path / "it.zip"


def contents(folder):
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_it_comes_back_as_it_was_and_twice_is_the_same(packed, tmp_path):
    folder, path = packed
    unpack(path, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(folder)
    assert NAME in contents(folder)
    pack(folder, tmp_path / "other.zip")
    assert (tmp_path / "other.zip").read_bytes() == path.read_bytes()


def test_no_flipped_bit_goes_unnoticed(packed, tmp_path):
    folder, path = packed
    good, wanted, refused = path.read_bytes(), contents(folder), 0
    for case in range(60):
        data = bytearray(good)
        data[RNG.integers(len(data))] ^= 1 << int(RNG.integers(8))
        path.write_bytes(data)
        out = tmp_path / f"out{case}"
        try:
            unpack(path, out)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error) and not out.exists()
        else:  # a date, or the like
            assert contents(out) == wanted
    assert refused > 50


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_no_name_leads_elsewhere(tmp_path, name):
    (tmp_path / "folder").mkdir()
    write_sums(tmp_path / "folder")
    with zipfile.ZipFile(tmp_path / "it.zip", "w") as archive:
        archive.write(tmp_path / "folder" / NAME, NAME)
        archive.writestr(name, "mine")
    with pytest.raises(InputError, match="no file of a model"):
        unpack(tmp_path / "it.zip", tmp_path / "out" / "deep")
    assert not (tmp_path / "outside").exists() and not (tmp_path / "out/deep").exists()


def test_a_file_that_no_checksum_names_is_refused(packed, tmp_path):
    _, path = packed
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("late.txt", "more")
    with pytest.raises(InputError, match="late"):
        unpack(path, tmp_path / "out")
