"""Tars of pictures, and tars of tars, read in any order without being unpacked."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from pdm_tf.data.decoding import MAX_BYTES
from pdm_tf.data.listing import is_picture, is_system
from pdm_tf.data.records import Spans
from pdm_tf.errors import InputError, SettingError, printable
from pdm_tf.progress import progress

_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
_HEADER = 2**20  # bytes of a member's header, with its name and attributes, at most
_DEEPEST = 3  # tars within tars
Found = tuple[str, int, int]  # name, first byte, length


class _Bounded:
    """A file whose pieces have bounds: what a header claims may not fill the memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return self._file.read(size)


def is_tar(path: Path) -> bool:
    """Whether a regular file begins as a tar does, compressed or not."""
    try:
        with path.open("rb") as file:
            head = file.read(tarfile.BLOCKSIZE)
        for magic, opened in _COMPRESSED.items():
            if head.startswith(magic):
                with opened(path) as file:
                    head = file.read(tarfile.BLOCKSIZE)
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        return True
    except (tarfile.TarError, OSError, EOFError, ValueError, lzma.LZMAError):
        return False


def open_tars(
    source: str, paths: list[Path]
) -> tuple[tuple[str, ...], Callable[[int], bytes]]:
    """Finds the pictures of a tar, or of each tar of a directory.

    A picture of a tar among others, or of a tar within a tar, is named after it:
    n01440764.tar's x.JPEG is n01440764/x.JPEG. That is how ImageNet tells classes.

    Args:
      source: what the user wrote, for messages.
      paths: one tar, or several.

    Returns:
      Names, sorted, and the function from an index to a picture's bytes.

    Raises:
      InputError: a tar that is compressed or broken.
    """
    found: list[tuple[str, int, int, int]] = []
    bar = progress(None, "finding pictures", "pictures", delay=2)
    with bar:
        for number, path in enumerate(paths):
            prefix = f"{path.stem}/" if len(paths) > 1 else ""
            for name, offset, length in _pictures(source, path):
                found.append((prefix + name, number, offset, length))
                bar.update()
    found.sort()
    names = tuple(name for name, *_ in found)
    for name, following in pairwise(names):
        if name == following:
            raise SettingError(
                "source",
                source,
                f"two of its pictures are called {printable(name)}; pack it again",
            )
    spans = np.array([span for _, *span in found], np.int64).reshape(-1, 3)
    stretches = Spans(tuple(paths), spans)

    def read(index: int) -> bytes:
        if spans[index, 2] > MAX_BYTES:
            raise InputError(
                f"{printable(names[index])} has {spans[index, 2]:,} bytes, more than "
                f"the {MAX_BYTES:,} that it may"
            )
        return stretches.read(index)

    return names, read


def _pictures(source: str, path: Path) -> Iterator[Found]:
    try:
        with path.open("rb") as file:
            yield from _members(_Bounded(file), path.stat().st_size, 0)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        # Sparse headers and numbers of attributes raise what Python makes of them.
        reason = printable(" ".join(str(error).split()))[:100]
        raise SettingError(
            "source",
            source,
            f"{path} is broken, or compressed ({reason}); give plain tars (gunzip, "
            "unxz, bunzip2), downloaded whole",
        ) from error


def _members(file: _Bounded, end: int, depth: int) -> Iterator[Found]:
    """Pictures from where the file stands, up to byte `end`."""
    tar: Any
    with tarfile.open(fileobj=file, mode="r:") as tar:  # type: ignore[call-overload]
        while (member := tar.next()) and member.offset < end:
            tar.members = []  # or a million headers stay in memory
            name = PurePosixPath(member.name)  # without the ./ that tar likes
            after = member.offset_data + member.size
            if not member.isreg() or (".." not in name.parts and _is_hidden(name)):
                continue
            _check(name, member, after, end)
            if name.suffix == ".tar" and depth < _DEEPEST:
                here = file.tell()
                file.seek(member.offset_data)
                for inner, offset, length in _members(file, after, depth + 1):
                    yield f"{name.stem}/{inner}", offset, length
                file.seek(here)
            elif is_picture(name.name):
                yield str(name), member.offset_data, member.size


def _is_hidden(name: PurePosixPath) -> bool:
    return any(map(is_system, name.parts))


def _check(name: PurePosixPath, member: Any, after: int, end: int) -> None:
    """Raises ReadError for a member that cannot be read, or must not be."""
    shown = printable(str(name))
    if ".." in name.parts or name.is_absolute():
        raise tarfile.ReadError(f"its member {shown} leads out of it")
    if member.sparse is not None:
        if is_picture(name.name) or name.suffix == ".tar":
            raise tarfile.ReadError(f"{shown} is stored with holes")
        return
    if after > end:
        raise tarfile.ReadError(f"{shown} is cut off")
