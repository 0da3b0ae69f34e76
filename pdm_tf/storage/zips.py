"""Zip archives whose table of contents is whole."""

import struct
import zipfile
from pathlib import Path
from typing import IO

from pdm_tf.storage.reading import open_regular

_END = struct.Struct("<4s4H2LH")  # end of the table of contents; its 5th: entries
_END_64 = struct.Struct("<4sQ2H2L4Q")  # the same of archives with very many; its 8th
_POINTER_64 = 20  # bytes between the two
_MANY = 0xFFFF  # in the first, where only the second has room


def open_whole_zip(path: Path | str) -> zipfile.ZipFile:
    """A zip to read from, with as many members as its end says.

    `zipfile` does not count: a damaged length in the table of contents swallows the
    entries after it, and the archive seems to hold less than it does.

    Raises:
      zipfile.BadZipFile: no zip, or its table of contents is damaged.
      OSError: it cannot be read, or is a pipe, a device or a folder.
    """
    with open_regular(path):
        pass  # others would block for ever
    archive = zipfile.ZipFile(path)
    try:
        there = len(archive.infolist())
        with Path(path).open("rb") as file:
            said = _entries(file, len(archive.comment))
        if there != said:
            raise zipfile.BadZipFile(
                f"its table of contents shows {there:,} of {said:,} members"
            )
    except BaseException:
        archive.close()
        raise
    return archive


def _entries(file: IO[bytes], comment: int) -> int:
    size = file.seek(0, 2)
    end = size - comment - _END.size
    file.seek(end)
    entries = _END.unpack(file.read(_END.size))[4]
    before = end - _POINTER_64 - _END_64.size
    if entries == _MANY and before >= 0:
        file.seek(before)
        large = _END_64.unpack(file.read(_END_64.size))
        if large[0] == b"PK\6\6":
            return large[7]
    return entries
