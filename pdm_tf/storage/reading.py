"""Reads files that are files: never a pipe or a device, never more than is expected.

A pipe has no end before its writer ends it, a device none at all, and a file may have
a hole of terabytes. Whoever reads what others made opens it here.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: Path | str, limit: int | None = None) -> BinaryIO:
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


def is_regular(path: Path | str) -> bool:
    """Whether a path leads to a regular file."""
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False
