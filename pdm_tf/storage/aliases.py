"""Directories under names that TensorFlow does not take for patterns."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

_SPECIAL = set("*?[]\\")  # its readers and writers of checkpoints match files by these


@contextlib.contextmanager
def plainly_named(directory: Path | str) -> Iterator[Path]:
    """While entered, a path to a directory without characters that stand for others.

    Args:
      directory: what the path leads to; itself where its name is plain.
    """
    path = Path(directory)
    if not _SPECIAL & set(str(path)):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "plain"
        link.symlink_to(path.resolve(), target_is_directory=True)
        yield link
