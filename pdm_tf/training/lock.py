"""One trainer for a run directory at a time."""

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pdm_tf.errors import SettingError
from pdm_tf.storage.durability import make_directory

LOCK = ".lock"


@contextlib.contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """While entered, no other process trains in a run directory.

    The kernel holds the lock, and releases it when the process ends, in whatever way.

    Raises:
      SettingError: another process trains there, or nothing may be written there.
    """
    try:
        make_directory(run_dir)
        handle = os.open(run_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise SettingError(
            "run_dir",
            run_dir,
            f"cannot be written to ({error.strerror}); give another directory",
        ) from None
    try:
        _take(handle, run_dir)
        yield
    finally:
        os.close(handle)


def _take(handle: int, run_dir: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingError(
            "run_dir",
            run_dir,
            "another process is training there; wait for its end, stop it, or give "
            "another `run_dir`",
        ) from None
    except OSError as error:
        print(
            f"{run_dir}: its file system has no locks ({error.strerror}), so nothing "
            "keeps two commands from training there at once; see to it yourself",
            file=sys.stderr,
        )
