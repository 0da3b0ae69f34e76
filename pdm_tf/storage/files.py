"""Files and directories that appear whole or not at all.

Every write of ours goes to a new name beside its place and is moved there when it is
complete. Whatever moment the process is killed in, what was there before is as it was.
"""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_LONGEST = 200  # characters of a name kept; file systems allow 255 bytes


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
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(13, "Permission denied", str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    new = _beside(target)
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
    new, old = _beside(target), _beside(target)
    new.mkdir()
    try:
        yield new
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    """Writes text in UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


write_atomically = write_text  # its name of before


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


def _beside(target: Path) -> Path:
    """A hidden name in the same folder, of no kind that a listing looks for."""
    return target.with_name(f".{target.name[:_LONGEST]}.{uuid.uuid4().hex[:8]}")
