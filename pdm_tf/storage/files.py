"""Files that appear whole or not at all.

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
from pdm_tf.storage.durability import flush_to_disk, make_directory
from pdm_tf.storage.reading import has_holes, open_regular


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
        moved = False
        try:
            yield new
            if target.exists():
                shutil.copymode(target, new)
            if flush:
                flush_to_disk(new)
            new.replace(target)
            moved = True
            if flush:
                flush_to_disk(target.parent)
        finally:
            if not moved:  # else another writer's may have that name by now
                with contextlib.suppress(OSError):
                    new.unlink()


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


def checksum(content: Path | bytes) -> str:
    """SHA-256 of a file's content, or of bytes, in hexadecimal digits.

    Raises:
      OSError: it cannot be read, is no regular file, or has terabytes of nothing.
    """
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with open_regular(content) as file:
        if has_holes(os.fstat(file.fileno()), least=2**30, part=64):
            raise OSError(errno.EINVAL, "has holes and hardly anything", str(content))
        return hashlib.file_digest(file, "sha256").hexdigest()


def _target(path: Path | str) -> Path:
    """Where a path leads: links are followed, so that a link stays one."""
    path = Path(path)
    return path.resolve() if path.is_symlink() else path


def _allow(target: Path) -> None:
    """Makes missing folders; raises PermissionError for a file that is protected."""
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "Permission denied", str(target))
    make_directory(target.parent)
