"""Files that appear whole or not at all, and that a checksum vouches for."""

import contextlib
import hashlib
import os
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Writes a small file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text)
        flush_to_disk(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Waits until the content of a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        # Some network file systems know no fsync of folders.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def checksum(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
