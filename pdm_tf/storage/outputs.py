"""Directories that commands fill: looked at before the work, and one command at a time.

Nothing is written over that somebody else put there, and no link is followed to write
elsewhere.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pdm_tf.errors import MissingSetting, SettingError, as_text, is_full
from pdm_tf.storage.files import try_writing
from pdm_tf.storage.locks import locked_file
from pdm_tf.storage.reading import read_json

MANIFEST = "manifest.json"
_LOCK = ".lock"
Ours = Callable[[Mapping[str, Any]], bool]


def check_directory(setting: str, path: str, ours: Ours) -> dict[str, Any] | None:
    """What can be seen of a directory for outputs before anything is computed.

    Args:
      setting: the setting that names it, for messages.
      path: the directory, which need not be there.
      ours: whether a manifest is of the command that wants to write there.

    Returns:
      The manifest that is there, or None.

    Raises:
      SettingError: nothing can be written there, or others' files are there.
    """
    if not path.strip():
        raise MissingSetting(setting, "name a directory")
    directory = Path(path)
    with _explained(setting, path):
        if not directory.exists():
            _check_parent(setting, directory)
            return None
        if not directory.is_dir():
            raise SettingError(setting, path, "is a file; name a directory")
        # In this order: another command may write the manifest in between.
        visible = any(file.name[:1] != "." for file in directory.iterdir())
        found = _manifest(setting, directory)
        if found is None and visible:
            raise SettingError(
                setting,
                path,
                "is not empty, and what is in it is not of this command; name another "
                "directory, which is made",
            )
        if found is not None and not ours(found):
            raise SettingError(
                setting,
                path,
                f"holds what another command wrote, by its {MANIFEST}; name another "
                "directory, which is made",
            )
        try_writing(directory / MANIFEST)
    return found


def refuse_others(
    directory: Path, there: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raises SettingError where what is there was made by another command.

    Args:
      directory: where it is.
      there: its manifest: settings, and `inputs`, the content of files by setting.
      wanted: the manifest of the command that wants to write there.
    """
    names = [n for n in wanted if n not in ("files", "path", "inputs")]
    found = [
        f"{name} {_shown(there.get(name))} there, {_shown(wanted[name])} now"
        for name in names
        if there.get(name) != wanted[name]
    ]
    inputs = there["inputs"] if isinstance(there["inputs"], dict) else {}
    found += [
        f"another {name}"
        for name, content in wanted["inputs"].items()
        if inputs.get(name) != content
    ]
    if found:
        raise SettingError(
            "out",
            directory,
            f"holds what another command made: {'; '.join(found)}; name another "
            "directory",
        )


def _shown(value: Any) -> str:
    return as_text(value)[:40]


def _check_parent(setting: str, directory: Path) -> None:
    """Raises SettingError where a directory could not be made later."""
    if directory.is_symlink():
        raise SettingError(setting, directory, "is a link that leads nowhere")
    parent = next(p for p in directory.absolute().parents if p.exists())
    if not parent.is_dir():
        raise SettingError(setting, directory, f"{parent} is a file; name a directory")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise SettingError(
            setting,
            directory,
            f"cannot be made, since {parent} may not be written to; name another place",
        )


@contextlib.contextmanager
def locked_directory(
    setting: str, path: str, ours: Ours
) -> Iterator[dict[str, Any] | None]:
    """Until the block ends, no other command writes to a directory, which is made.

    Gives the manifest that is there, or None.

    Raises:
      SettingError: another command writes there now; or see `check_directory`.
    """
    check_directory(setting, path, ours)
    with _explained(setting, path), contextlib.ExitStack() as held:
        Path(path).mkdir(parents=True, exist_ok=True)
        held.enter_context(locked_file(setting, path, Path(path) / _LOCK))
        yield check_directory(setting, path, ours)  # as it is now


def _manifest(setting: str, directory: Path) -> dict[str, Any] | None:
    """The content of a directory's manifest, None where there is none."""
    path = directory / MANIFEST
    if not path.exists():
        return None
    found = None
    with contextlib.suppress(ValueError, OSError):
        found = read_json(path)
    if not isinstance(found, dict):
        raise SettingError(
            setting,
            directory,
            f"its {MANIFEST} is damaged or of another program; name another directory, "
            "which is made",
        )
    return found


@contextlib.contextmanager
def _explained(setting: str, path: str) -> Iterator[None]:
    """Turns what the file system refuses into a SettingError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        inside = error.filename is None or str(error.filename).startswith(path)
        if not inside or (error.errno is None and not is_full(error)):
            raise
        reason = error.strerror or "the disk is full"
        raise SettingError(
            setting,
            path,
            f"cannot be written to ({reason}); name a directory where there is room "
            "and that may be written to",
        ) from None
