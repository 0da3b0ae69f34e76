"""Names to write to before a file or directory is moved to its place."""

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 60  # characters of a name kept; file systems allow 255 bytes


@contextlib.contextmanager
def claimed(target: Path, directory: bool = False) -> Iterator[Path]:
    """A hidden name beside a target that no other writer has until the block ends.

    It is always the same, so that what a killed process left is written over, and
    another one only while somebody else is writing there.
    """
    name = f".{target.name[:_LONGEST]}.new"
    new = target.with_name(name)
    handle = _locked(new, directory)
    try:
        yield new if handle else target.with_name(f"{name}-{uuid.uuid4().hex[:8]}")
    finally:
        if handle:
            os.close(handle)


def _locked(new: Path, directory: bool) -> int | None:
    """An open handle that holds the lock of a name; None where that cannot be had."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
        if directory:
            new.mkdir(exist_ok=True)
        kind = os.O_DIRECTORY if directory else os.O_RDWR | os.O_CREAT
        kind |= os.O_NOFOLLOW
        handle = os.open(new, kind, 0o666)
        opened.callback(os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), new.stat()):  # not moved meanwhile
            if not directory:
                os.ftruncate(handle, 0)
            opened.pop_all()
            return handle
    return None
