"""Names to write to before a file or directory is moved to its place."""

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 60  # characters of a name kept; file systems allow 255 bytes


@contextlib.contextmanager
def claimed(target: Path) -> Iterator[Path]:
    """A hidden name beside a file that no other writer has until the block ends.

    It is always the same, so that what a killed process left is written over, and
    another one only while somebody else is writing there. No link is followed to it.
    """
    first = target.with_name(_stem(target))
    new, handle = first, _locked(first)
    if handle is None:
        _sweep_files(target)
        new = target.with_name(_unique(target))
        handle = _locked(new)
    try:
        yield new
    finally:
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def claimed_directory(target: Path) -> Iterator[Path]:
    """A new directory beside another, under a hidden name that nobody else has.

    What killed processes left is removed; what others are filling is theirs, by the
    lock that each holds on its own.

    Raises:
      OSError: the disk is full, or refuses.
    """
    sweep_directories(target)
    while True:
        new = target.with_name(_unique(target))
        new.mkdir()
        handle = lock_now(new)
        if handle is not None:
            break
        if not new.exists():
            continue  # swept by another between being made and being locked
        break  # a file system without locks
    try:
        yield new
    finally:
        if handle is not None:
            os.close(handle)


def lock_now(path: Path) -> int | None:
    """An open handle that holds the lock of a file or directory; None: it is not had.

    Whoever closes it, or ends, gives the lock back.
    """
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        opened.callback(os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), path.lstat()):  # not moved meanwhile
            opened.pop_all()
            return handle
    return None


def leftovers(target: Path) -> list[Path]:
    """All hidden names beside a file or directory that writers have made for it."""
    stem = _stem(target)
    with contextlib.suppress(OSError):
        beside = list(target.parent.iterdir())
        return [path for path in beside if path.name.startswith(f"{stem}-")]
    return []


def sweep_directories(target: Path) -> None:
    """Removes what killed writers of a directory have left beside it."""
    with contextlib.suppress(OSError):
        old = target.with_name(_stem(target))  # its name of before
        for path in [old, *leftovers(target)]:
            if path.is_dir() and not path.is_symlink():
                _remove_unlocked(path)


def remove_tree(path: Path) -> None:
    """Removes a directory with all that is in it, as far as that can be done."""
    with contextlib.suppress(OSError):
        for entry in list(path.iterdir()):
            with contextlib.suppress(OSError):
                if entry.is_dir() and not entry.is_symlink():
                    remove_tree(entry)
                else:
                    entry.unlink()
        path.rmdir()


def _remove_unlocked(path: Path) -> None:
    handle = lock_now(path)
    if handle is not None:
        remove_tree(path)
        os.close(handle)


def _sweep_files(target: Path) -> None:
    for path in leftovers(target):
        handle = lock_now(path)
        if handle is not None:
            with contextlib.suppress(OSError):
                if path.is_file():
                    path.unlink()
            os.close(handle)


def _locked(new: Path) -> int | None:
    """An open handle that holds the lock of a file, made empty; None: it is not had."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:
        kind = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(new, kind, 0o666)
        opened.callback(os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), new.lstat()):  # not moved meanwhile
            os.ftruncate(handle, 0)
            opened.pop_all()
            return handle
    return None


def _stem(target: Path) -> str:
    return f".{target.name[:_LONGEST]}.new"


def _unique(target: Path) -> str:
    return f"{_stem(target)}-{uuid.uuid4().hex[:8]}"
