"""Errors of input that its user can mend: one line each, without a traceback.

A room names a setting as the library does, `width`; only the command line writes
dashes before it (`pdm_tf.flags`). Within a remedy a setting stands between
backticks, "lower `width` or give `remat`", so that the command line can find it.
"""

import errno
import os
import re
from typing import Any, Self

_JOINERS = "\u200c\u200d"  # invisible, and part of words in some scripts
_QUOTED = re.compile(r"`(\w+)(=[^`]*)?`")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = ("no space left", "quota exceeded", "file too large")
_REFUSALS = [  # of a disk, as TensorFlow passes them on
    os.strerror(number)
    for number in (
        *(errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR),
        *(errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ESTALE, errno.EMFILE),
    )
]


class InputError(ValueError):
    """Input that its user can mend: one line that names what is wrong and a remedy.

    Commands print the line and exit with code 2, without a traceback.
    """


class SettingError(InputError):
    """A setting that cannot be used: its name, its value, and what to give instead.

    Attributes:
      setting: name of the setting, without dashes.
      value: what it is; None where the setting alone says enough.
      remedy: what is wrong with it and what to do.
      others: further settings that only together are wrong, by name.
    """

    def __init__(self, setting: str, value: Any, remedy: str, **others: Any) -> None:
        super().__init__(setting, value, remedy)
        self.setting, self.value, self.remedy = setting, value, remedy
        self.others = others

    def __str__(self) -> str:
        return self.text()

    def text(self, mark: str = "") -> str:
        """The line.

        Args:
          mark: what stands before a setting's name: "--" on a command line, where
            settings need no backticks.
        """
        given = {self.setting: self.value, **self.others}
        settings = " ".join(
            f"{mark}{name}" + ("" if value is None else f"={as_text(value)}")
            for name, value in given.items()
        )
        quoted = rf"{mark}\1\2" if mark else r"`\1\2`"
        return f"{settings}: {_QUOTED.sub(quoted, self.remedy)}"

    def named(self, setting: str) -> Self:
        """The same error about a setting that has another name where it is raised."""
        return type(self)(setting, self.value, self._about(setting), **self.others)

    def _about(self, setting: str) -> str:
        """The remedy, naming another setting."""
        return re.sub(rf"`{self.setting}(?=[=`])", f"`{setting}", self.remedy)


class MissingSetting(SettingError):
    """A setting that must be given and is not."""

    def __init__(self, setting: str, remedy: str) -> None:
        super().__init__(setting, None, remedy)
        self.args = (setting, remedy)

    def text(self, mark: str = "") -> str:
        """The line; see `SettingError.text`."""
        return super().text(mark).replace(":", " is missing:", 1)

    def named(self, setting: str) -> Self:
        """The same error about a setting that has another name where it is raised."""
        return type(self)(setting, self._about(setting))


def printable(text: str) -> str:
    """Text that may be shown: what a terminal would obey stands as its escape.

    Control characters, escape sequences, marks that turn the direction of writing,
    and bytes of a name that are no UTF-8 become \\n, \\x1b, \\u202e, \\xe9. All that
    can be read, in any script, stays as it is.
    """
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def as_text(value: Any) -> str:
    """A setting's value as it stands on a command line: 32,32,3 or true."""
    if isinstance(value, tuple | list):
        return ",".join(as_text(part).removesuffix(".0") for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_full(error: BaseException) -> bool:
    """Whether an error, TensorFlow's too, says that the disk has no room."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    text = str(error).lower()
    if isinstance(error, OSError) and " requested and " in text:
        return True  # in NumPy's words, without a number
    return _of_tensorflow(error) and any(words in text for words in _FULL_WORDS)


def explain(error: BaseException) -> str | None:
    """One line on what the machine refused, whoever asked for it; None: it did not.

    TensorFlow has kinds of errors of its own for disk and memory; they are known
    by their text, so that nothing of TensorFlow is loaded here. Nothing is cut off.
    """
    text = " ".join(str(error).split())
    if is_full(error):
        return f"the disk is full ({text}); make room, then repeat the command"
    if isinstance(error, UnicodeEncodeError) and error.encoding == "utf-8":
        name = printable(error.object)
        return f"{name}: is no UTF-8; rename the file or folder of that name"
    if isinstance(error, RuntimeError) and text.startswith("Symlink loop from "):
        name = printable(text.removeprefix("Symlink loop from ").strip("'\""))
        return f"{name}: is a link that leads to itself; name another file or folder"
    exhausted = type(error).__name__ == "ResourceExhaustedError"
    if isinstance(error, MemoryError) or (_of_tensorflow(error) and exhausted):
        reason = f" ({text})" if text else ""
        return f"not enough memory{reason}; lower the batch size or that of pictures"
    if isinstance(error, OSError) and error.errno is not None:
        name = f"{error.filename}: " if error.filename is not None else ""
        return f"{name}{error.strerror or text}; see that it is there and may be used"
    if _of_tensorflow(error) and any(words in text for words in _REFUSALS):
        return f"{text}; see that it is there and may be used"
    return None


def _of_tensorflow(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] == "tensorflow"
