"""Files and directories that appear whole or not at all.

Every write of ours goes to a new name beside its place and is moved there when it is
complete. Whatever moment the process is killed in, what was there before is as it was.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.storage.claims import claimed


@contextlib.contextmanager
def appearing(path: Path | str, flush: bool = True) -> Iterator[Path]:
    """A name to write a file to, moved to `path` once the block ends without error.

    As with `open`, links are followed, a new file has the permissions that the umask
    leaves it, one that is replaced keeps its own. Missing folders are made.

    Args:
      path: where the file is to be.
      flush: wait until it is on the disk, so that it outlives a loss of power too.

    Raises:
      OSError: the disk is full, or refuses.
    """
    target = _target(path)
    if target.exists() and not target.is_file():
        yield target  # a device or pipe is written to and not replaced
        return
    _allow(target)
    with claimed(target) as new:
        try:
            yield new
            if target.exists():
                shutil.copymode(target, new)
            if flush:
                flush_to_disk(new)
            new.replace(target)
            if flush:
                flush_to_disk(target.parent)
        finally:
            new.unlink(missing_ok=True)


@contextlib.contextmanager
def appearing_directory(path: Path | str) -> Iterator[Path]:
    """A new directory to fill, moved to `path` once the block ends without error.

    A directory that is there already is replaced as a whole. Where that fails it is
    put back.

    Raises:
      OSError: the disk is full, or refuses.
    """
    target = _target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with claimed(target, directory=True) as new:
        try:
            _clear(new)
            yield new
            _exchange(new, target)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _exchange(new: Path, target: Path) -> None:
    """Moves a directory to where another may be, which is removed, or put back."""
    old = new.with_name(f"{new.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    """Writes text in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path | str, content: bytes, flush: bool = True) -> None:
    """Writes a file whole or not at all; see `appearing` for `flush` and errors."""
    with appearing(path, flush) as new:
        new.write_bytes(content)


def write_json(path: Path | str, value: Any) -> None:
    """Writes JSON that every reader takes, whole or not at all.

    Raises:
      ValueError: numbers that JSON does not have, which are NaN and infinity.
    """
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_npy(path: Path | str, array: np.ndarray) -> None:
    """Writes one array for `numpy.load`, whole or not at all."""
    with appearing(path) as new, new.open("wb") as file:
        np.save(file, array)


def write_npz(
    path: Path | str, arrays: Mapping[str, np.ndarray], compress: bool = False
) -> None:
    """Writes named arrays for `numpy.load`, whole or not at all."""
    save: Any = np.savez_compressed if compress else np.savez
    with appearing(path) as new, new.open("wb") as file:
        save(file, **arrays)


def try_writing(path: Path | str) -> None:
    """Raises OSError now where a file could not be written later."""
    target = _target(path)
    _allow(target)
    with claimed(target) as new:
        new.touch()
        new.unlink()


def flush_to_disk(path: Path) -> None:
    """Waits until the content of a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        # Some network file systems know no fsync of folders.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def checksum(content: Path | bytes) -> str:
    """SHA-256 of a file's content, or of bytes, in hexadecimal digits."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _target(path: Path | str) -> Path:
    """Where a path leads: links are followed, so that a link stays one."""
    path = Path(path)
    return path.resolve() if path.is_symlink() else path


def _allow(target: Path) -> None:
    """Makes missing folders; raises PermissionError for a file that is protected."""
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "Permission denied", str(target))
    target.parent.mkdir(parents=True, exist_ok=True)


def _clear(directory: Path) -> None:
    """Makes a directory, or empties one."""
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
