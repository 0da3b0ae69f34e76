"""Pictures and statistics in npz files, read without pickles and without haste.

Pictures are read a batch at a time out of the archive, so that 50,000 of 256x256
pixels need no 10 GB of memory. Memory is taken for what a header promises only once
the bytes of the file bear it out.
"""

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from pdm_tf.errors import InputError, SettingError
from pdm_tf.storage.zips import open_whole_zip

PICTURES = "arr_0"
LABELS = ("labels", "arr_1")  # ours, and those of ADM's samples
LARGEST = 2**29  # bytes of an array that is read as a whole
PIXELS = 2**24  # of a picture, at most
_DEFLATE = 1032  # bytes at most that one byte of it becomes
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that NumPy writes
_DAMAGE = (
    *(OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(struct.error, tokenize.TokenError, SyntaxError, TypeError, KeyError),
    *(ArithmeticError, MemoryError),
)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_TURN = {"f": "round them to grey levels 0 to 255", "u": "divide them by 257"}


class Header(NamedTuple):
    """What an array in the file is, before its numbers are read."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


@contextmanager
def _read(setting: str, path: str) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever is wrong with it becomes one line."""
    try:
        with open_whole_zip(path) as archive:
            yield archive
    except InputError:
        raise
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingError(
            setting, path, f"not a sound npz file ({reason[:120]}); write it again"
        ) from error


@contextmanager
def _member(setting: str, path: str, name: str) -> Iterator[tuple[Header, IO[bytes]]]:
    """An array's header, and the file from where its numbers begin.

    Raises:
      InputError: Python objects, or a header that promises other bytes than there are.
    """
    with _read(setting, path) as archive:
        info = archive.getinfo(f"{name}.npy")
        if info.compress_type not in _METHODS:
            raise ValueError(f"{name} is compressed by a method that NumPy knows not")
        most = min(info.compress_size, Path(path).stat().st_size)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            most = (most + 1) * _DEFLATE
        with archive.open(info) as file:
            header = _header(file)
            if header.dtype.hasobject:
                raise SettingError(
                    setting, path, f"{name} holds Python objects, which are not read"
                )
            there = info.file_size - file.tell()
            if min(header.shape, default=0) < 0 or not header.size == there <= most:
                raise ValueError(
                    f"{name} should hold {header.size:,} bytes and holds "
                    f"{min(there, most):,}"
                )
            yield header, file


def _header(file: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"npy format {version}")
    return Header(*_HEADERS[version](file))


def list_members(setting: str, path: str) -> set[str]:
    """Names of the arrays in the file.

    Each is opened: the archive has a member's name twice, and one that is damaged in
    its table of contents alone would be an array that the file does not have.
    """
    with _read(setting, path) as archive:
        names = archive.namelist()
        for info in archive.infolist():
            archive.open(info).close()
    return {name.removesuffix(".npy") for name in names if name.endswith(".npy")}


def read_header(setting: str, path: str, name: str) -> Header:
    """What an array is; InputError for one that the file does not bear out."""
    with _member(setting, path, name) as (header, _):
        return header


def picture_shape(setting: str, path: str) -> tuple[int, ...]:
    """Shape (N, H, W, C) of the pictures in arr_0.

    Raises:
      InputError: no arr_0, or one that does not hold uint8 pictures.
    """
    members = list_members(setting, path)
    if PICTURES not in members:
        there = f" but {', '.join(sorted(members)[:6])}" if members else ""
        raise SettingError(
            setting,
            path,
            f"holds no {PICTURES}{there}; save the pictures with "
            "numpy.savez(FILE, pictures), uint8 [N, H, W, C], or statistics as mu and "
            "sigma",
        )
    header = read_header(setting, path, PICTURES)
    fault = _fault(header)
    if fault:
        wanted = "wanted are uint8 grey levels 0 to 255, [N, H, W, C], C of 1 or 3"
        raise SettingError(setting, path, f"{PICTURES} {fault}; {wanted}")
    return header.shape


def _fault(header: Header) -> str:
    """What is wrong with an array of pictures, and how to mend it; empty: nothing."""
    shape, dtype = header.shape, header.dtype
    if dtype != np.uint8:
        turn = _TURN.get(dtype.kind, "")
        return f"holds {dtype}" + (f" ({turn})" if turn else "")
    if len(shape) != 4 or shape[3] not in (1, 3) or 0 in shape[1:]:
        turn = ""
        if len(shape) == 4 and shape[1] in (1, 3):
            turn = " (channels first: turn it by .transpose(0, 2, 3, 1))"
        elif len(shape) == 3:
            turn = " (grey pictures: give it its last axis by [..., None])"
        elif len(shape) == 4 and shape[3] == 4:
            turn = " (transparency: lay it over white)"
        return f"has the shape {shape}{turn}"
    if header.fortran:
        return f"has the shape {shape} in Fortran order (numpy.ascontiguousarray)"
    if shape[1] * shape[2] > PIXELS:
        return f"has pictures of {shape[2]:,}x{shape[1]:,}, more than {PIXELS:,} pixels"
    return ""


def read_pictures(
    setting: str, path: str, count: int, batch_size: int
) -> Iterator[np.ndarray]:
    """The first `count` pictures, in order: uint8 [B, H, W, C]."""
    shape = picture_shape(setting, path)[1:]
    size = math.prod(shape)
    with _member(setting, path, PICTURES) as (_, file):
        for start in range(0, count, batch_size):
            rows = min(batch_size, count - start)
            data = file.read(rows * size)
            if len(data) < rows * size:
                raise EOFError(f"it ends after {start} pictures and a little")
            yield np.frombuffer(data, np.uint8).reshape(rows, *shape)


def read_labels(setting: str, path: str, count: int) -> np.ndarray | None:
    """Classes of the first `count` pictures, integers [count].

    They are the array `labels`, or `arr_1` as in ADM's samples. None: neither is there
    as one whole number for each picture.
    """
    for name in LABELS:
        if name not in list_members(setting, path):
            continue
        with _member(setting, path, name) as (header, file):
            shape, kind = header.shape, header.dtype.kind
            if len(shape) == 1 and shape[0] >= count and kind in "iu":
                data = file.read(count * header.dtype.itemsize)
                return np.frombuffer(data, header.dtype)
    return None


def read_arrays(setting: str, path: str, names: set[str]) -> dict[str, Any]:
    """Whole arrays of the file, those of `names` that it holds.

    Raises:
      InputError: a damaged one, Python objects, or one of more than 512 MiB.
    """
    present = names & list_members(setting, path)
    return {name: _whole(setting, path, name) for name in sorted(present)}


def _whole(setting: str, path: str, name: str) -> np.ndarray:
    with _member(setting, path, name) as (header, file):
        if header.size > LARGEST:
            raise ValueError(f"{name} has {header.size:,} bytes")
        array = np.frombuffer(file.read(), header.dtype)
        return array.reshape(header.shape, order="F" if header.fortran else "C")
