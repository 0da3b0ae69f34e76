"""One trainer for a run directory at a time."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from pdm_tf.errors import SettingError

LOCK = ".lock"


@contextlib.contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """While entered, no other process trains in a run directory.

    The kernel holds the lock, and releases it when the process ends, in whatever way.

    Raises:
      SettingError: another process trains there, or nothing may be written there.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        handle = os.open(run_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
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
    except OSError:
        pass  # a file system without locks: nothing can be said
