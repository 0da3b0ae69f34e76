"""Directories that appear whole or not at all, and outlive a loss of power.

A directory is filled beside its place, flushed, and then exchanged with what is there
in one step, where the system can (Linux: renameat2, macOS: renamex_np). Where it
cannot, two renames are needed; a process that is killed between them leaves the old
directory under a hidden name, and who looks for it next puts it back (`recover`).
"""

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pdm_tf.storage.claims import claimed_directory, lock_now, remove_tree
from pdm_tf.storage.durability import flush_to_disk, flush_tree, make_directory

_SWAP = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
_HERE = -100  # AT_FDCWD


@contextlib.contextmanager
def appearing_directory(path: Path | str) -> Iterator[Path]:
    """A new directory to fill, moved to `path` once the block ends without error.

    A directory that is there already is replaced as a whole, in one step. Whatever
    moment the process is killed in, the old or the new one is there, and whole.

    Raises:
      OSError: the disk is full, or refuses.
    """
    path = Path(path)
    target = path.resolve() if path.is_symlink() else path
    make_directory(target.parent)
    recover(target)
    with claimed_directory(target) as new:
        try:
            yield new
            flush_tree(new)
            _put(new, target)
            flush_to_disk(target.parent)
        finally:
            remove_tree(new)  # the old one, or one that was not finished


def recover(path: Path | str) -> None:
    """Puts a directory back that a killed process has moved away and not replaced.

    Nothing happens where it is there, where there is none, or where nothing may be
    written.
    """
    target = Path(path)
    old = _aside(target)
    with contextlib.suppress(OSError):
        if os.path.lexists(target) or not old.is_dir():
            return
        handle = lock_now(old)
        if handle is not None:  # else somebody is between two renames now
            old.rename(target)
            os.close(handle)


def _put(new: Path, target: Path) -> None:
    """Moves a directory to its place; what was there is then under the new's name."""
    if not target.exists():
        remove_tree(_aside(target))
        new.rename(target)
    elif not target.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(target))
    elif not _exchange(new, target):
        _exchange_in_two(new, target)


def _exchange(new: Path, target: Path) -> bool:
    """Exchanges two directories in one step; false where the system cannot.

    Raises:
      OSError: the disk refuses.
    """
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(new), os.fsencode(target)
    try:
        if sys.platform == "darwin":
            failed = library.renamex_np(*names, _SWAP)
        else:
            failed = library.renameat2(_HERE, names[0], _HERE, names[1], _SWAP)
    except AttributeError:
        return False  # no such function here
    number = ctypes.get_errno()
    if failed and number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    if failed:
        raise OSError(number, os.strerror(number), str(new), None, str(target))
    return True


def _exchange_in_two(new: Path, target: Path) -> None:
    old = _aside(target)
    remove_tree(old)
    handle = lock_now(target)  # so that nobody puts it back meanwhile
    try:
        target.rename(old)
        try:
            new.rename(target)
        except BaseException:
            with contextlib.suppress(OSError):
                old.rename(target)
            raise
        with contextlib.suppress(OSError):
            old.rename(new)  # to be removed
    finally:
        if handle is not None:
            os.close(handle)


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name[:60]}.old")
