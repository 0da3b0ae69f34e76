"""Reads files that are files: never a pipe or a device, never more than is expected.

A pipe has no end before its writer ends it, a device none at all, and a file may have
a hole of terabytes. Whoever reads what others made opens it here.
"""

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path | str, limit: int | None = None) -> BufferedReader:
    """Opens a regular file for reading; links are followed.

    Args:
      path: the file.
      limit: bytes that it may have; None: any number.

    Raises:
      OSError: it cannot be opened, is no regular file, or is larger; `strerror` says
        which, for messages.
    """
    name = os.fspath(path)
    if "\0" in name:
        raise OSError(errno.EINVAL, "no name of a file", name)
    # Opened without waiting: a pipe that nobody writes to would block for ever.
    handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        found = os.fstat(handle)
        kind = stat.S_IFMT(found.st_mode)
        if kind != stat.S_IFREG:
            fault = f"is {_KINDS.get(kind, 'something else')} and no file"
            raise OSError(errno.EINVAL, fault, name)
        if limit is not None and found.st_size > limit:
            fault = f"has {found.st_size:,} bytes, more than the {limit:,} that it may"
            raise OSError(errno.EINVAL, fault, name)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path | str, limit: int) -> bytes:
    """The bytes of a regular file, at most `limit`; errors as of `open_regular`."""
    with open_regular(path, limit) as file:
        data = file.read(limit + 1)
    if len(data) > limit:  # it grows, or is one of those that say they have 0 bytes
        fault = f"has more than the {limit:,} bytes that it may"
        raise OSError(errno.EINVAL, fault, os.fspath(path))
    return data


def read_json(path: Path | str, limit: int = 2**28) -> Any:
    """What a file of JSON says.

    Raises:
      OSError: see `open_regular`.
      ValueError: no JSON, or nested so deeply that nobody wrote it.
    """
    try:
        return json.loads(read_regular(path, limit).decode("utf-8"))
    except RecursionError:
        raise ValueError("nested more deeply than can be read") from None


def has_holes(about: os.stat_result, least: int = 2**24, part: int = 2) -> bool:
    """Whether a large file is not there for the most part, as a sparse one.

    Args:
      about: of the file.
      least: bytes of one that counts as large.
      part: less than 1/part of it is on the disk; a file system that compresses may
        leave little of what is much alike.
    """
    return about.st_size > least and 512 * about.st_blocks < about.st_size // part


def is_regular(path: Path | str) -> bool:
    """Whether a path leads to a regular file."""
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False
