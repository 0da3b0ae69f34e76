"""Whether something can be written to a place, before the work whose result it is."""

import errno
import os
from pathlib import Path

from pdm_tf.errors import MissingSetting, SettingError


def open_place(setting: str, path: Path | str) -> Path:
    """The directory that a setting names, where one is or can be made; ~ is home.

    Nothing is made yet.

    Args:
      setting: the setting that names it, for messages.
      path: as it was given.

    Raises:
      SettingError: empty, a file, or a place where nothing can be written.
    """
    if not str(path).strip():
        raise MissingSetting(setting, "name a directory")
    try:
        directory = Path(path).expanduser()
        _check(setting, path, directory)
    except SettingError:
        raise
    except (OSError, RuntimeError, ValueError) as error:  # ~nobody; a zero byte
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingError(
            setting, path, f"cannot be used ({reason}); name another directory"
        ) from None
    return directory


def _check(setting: str, given: Path | str, directory: Path) -> None:
    found, whole = directory, directory.absolute()
    try:
        found.lstat()
    except (FileNotFoundError, NotADirectoryError):
        found = next(above for above in whole.parents if os.path.lexists(above))
    found.stat()  # a link to nowhere, or to itself, raises
    if not found.is_dir():
        what = "is a file" if found == directory else f"{found} is a file"
        raise SettingError(setting, given, f"{what}; name a directory")
    longest = os.pathconf(found, "PC_NAME_MAX")
    if any(len(os.fsencode(part)) > longest for part in whole.parts):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    if not os.access(found, os.W_OK | os.X_OK):
        readonly = os.statvfs(found).f_flag & os.ST_RDONLY
        reason = os.strerror(errno.EROFS if readonly else errno.EACCES)
        raise OSError(errno.EACCES, f"{found}: {reason}")
