"""One writer to a place at a time: locks that the kernel holds.

They end with the process that holds them, in whatever way that ends.
"""

import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pdm_tf.errors import SettingError
from pdm_tf.storage.durability import make_directory

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_LONGEST = 60  # characters of a name kept
INSIDE = ".writing"  # a lock in a directory whose parent may not be written to


@contextlib.contextmanager
def locked_place(setting: str, place: Path | str) -> Iterator[None]:
    """Until the block ends, no other command writes a file or replaces a directory.

    The lock lies beside the place, under a hidden name, as the place itself may be
    replaced meanwhile. Folders above it are made. A device or a pipe needs no lock.

    Args:
      setting: the setting that names the place, for messages.
      place: what is written.

    Raises:
      SettingError: another command writes there now, or nothing may be written.
    """
    given = Path(place).expanduser()
    stream = given.absolute().parts[1:2] in (("dev",), ("proc",))  # /dev/stdout
    if stream or (given.exists() and not (given.is_file() or given.is_dir())):
        yield
        return
    target = Path(os.path.realpath(given))
    with contextlib.ExitStack() as held:
        try:
            make_directory(target.parent)
            lock = target.with_name(f".{target.name[:_LONGEST]}.lock")
            if target.is_dir() and not os.access(target.parent, os.W_OK):
                lock = target / INSIDE
            held.enter_context(locked_file(setting, place, lock))
        except OSError as error:
            raise SettingError(
                setting,
                place,
                f"cannot be written to ({error.strerror}); name another place",
            ) from None
        yield


@contextlib.contextmanager
def locked_file(setting: str, place: Path | str, lock: Path) -> Iterator[None]:
    """Holds a lock by its file, which is made, and gone with the block.

    Args:
      setting: the setting that names what is locked, for messages.
      place: what is locked, as it was named.
      lock: its file; no link is followed to it.

    Raises:
      SettingError: another command holds it.
      OSError: the file cannot be made.
    """
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            _acquire(setting, place, handle)
            if _same(handle, lock):
                break
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # who held it has removed it meanwhile
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
        os.close(handle)


def _acquire(setting: str, place: Path | str, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingError(
            setting,
            place,
            "another command is writing there now; wait for it, or name another place",
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(
            f"warning: {place} is on a file system without locks; see that no other "
            "command writes there",
            file=sys.stderr,
        )


def _same(handle: int, name: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), name.stat(follow_symlinks=False))
    return False
