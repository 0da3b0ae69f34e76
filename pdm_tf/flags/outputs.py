"""Where a command is to write is looked at before it does anything else."""

import os
from pathlib import Path

from pdm_tf.errors import SettingError


def check_output(setting: str, path: str, kind: str) -> None:
    """Raises SettingError for a path that can become no output; makes nothing.

    Args:
      setting: the setting that names it, for messages.
      path: what it names; empty: the command will see to it.
      kind: directory, or any for what may be a file.
    """
    if not path:
        return
    target = Path(path).expanduser().absolute()
    try:
        if not os.path.lexists(target):
            _check_parent(setting, path, target)
        elif kind == "directory" and not target.is_dir():
            raise SettingError(setting, path, "is a file; name a directory")
        elif not os.access(target, os.W_OK):
            raise SettingError(setting, path, "may not be written to; name another")
    except OSError as error:
        raise SettingError(
            setting, path, f"cannot be used ({error.strerror}); name another"
        ) from None


def _check_parent(setting: str, path: str, target: Path) -> None:
    parent = next(p for p in target.parents if os.path.lexists(p))
    if not parent.is_dir():
        raise SettingError(setting, path, f"{parent} is a file; name another place")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise SettingError(
            setting, path, f"{parent} may not be written to; name another place"
        )
