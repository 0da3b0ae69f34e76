"""npz files written block by block: memory does not grow with what is in them.

Each array is a zip entry of NumPy's own format, as `numpy.savez` makes it, to the bit.
"""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from pdm_tf.storage.files import appearing
from pdm_tf.storage.zips import open_whole_zip


class Blocks(NamedTuple):
    """An array that comes in blocks of rows.

    Attributes:
      shape: of the whole.
      dtype: of its numbers.
      blocks: arrays [n, …] that make up the whole, one after the other.
    """

    shape: tuple[int, ...]
    dtype: Any
    blocks: Iterable[np.ndarray]


def write_npz_in_blocks(
    path: Path | str, arrays: Mapping[str, np.ndarray | Blocks]
) -> None:
    """Writes named arrays for `numpy.load`, whole or not at all.

    Raises:
      ValueError: blocks that do not make up what was said of them.
      OSError: the disk is full, or refuses.
    """
    with (
        appearing(path) as new,
        zipfile.ZipFile(new, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                if isinstance(array, Blocks):
                    _write(entry, array)
                else:
                    npy.write_array(entry, np.asanyarray(array), allow_pickle=False)


def _write(entry: IO[bytes], array: Blocks) -> None:
    dtype, rows = np.dtype(array.dtype), 0
    header = {
        "descr": npy.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": tuple(array.shape),
    }
    npy.write_array_header_1_0(entry, header)
    for block in array.blocks:
        if block.dtype != dtype or block.shape[1:] != array.shape[1:]:
            raise ValueError(f"a block of {block.dtype} {block.shape}, not as said")
        entry.write(np.ascontiguousarray(block).data)
        rows += len(block)
    if rows != array.shape[0]:
        raise ValueError(f"{rows} rows in blocks, not {array.shape[0]}")


def read_shapes(path: Path | str) -> dict[str, tuple[int, ...]] | None:
    """The shapes of the arrays in an npz that is sound to the last bit, or None.

    Needs little memory, whatever the size of the file.
    """
    try:
        with open_whole_zip(path) as archive:
            if archive.testzip():  # compares every checksum
                return None
            return {
                name.removesuffix(".npy"): _shape(archive, name)
                for name in archive.namelist()
            }
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile):
        return None


def _shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    with archive.open(name) as entry:
        npy.read_magic(entry)
        return npy.read_array_header_1_0(entry)[0]
