"""Files of flags, put in the place of their names on a command line."""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from pdm_tf.errors import InputError
from pdm_tf.flags.records import located

_DEEPEST = 20  # files within files
_LARGEST = 2**20  # bytes of one file
_MOST = 200  # files read for one command line
_NAMES = ("--flagfile", "-flagfile")


def expand(words: Sequence[str]) -> list[str]:
    """Words of a command line, each flagfile replaced by the flags in it.

    Lines that begin with # or // are comments. A flagfile may name others.

    Raises:
      InputError: a file that cannot be read or is no text, that names itself, or more
        of them, or larger ones, than anybody writes.
    """
    return list(_expanded(words, (), []))


def _expanded(
    words: Sequence[str], within: tuple[str, ...], read: list[str]
) -> Iterator[str]:
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            yield word
            yield from waiting
            return
        flag, given, name = word.partition("=")
        if flag not in _NAMES:
            yield word
            continue
        if not given:
            name = next(waiting, "")
        yield from _expanded(*_contents(name, within, read), read)


def _contents(
    name: str, within: tuple[str, ...], read: list[str]
) -> tuple[list[str], tuple[str, ...]]:
    """The flags in a file, and the files that one is now within."""
    if not name or "\0" in name:
        raise _refused(name, "is no name; name a file of flags")
    path = _home(Path(name))
    real = os.path.realpath(path)
    if real in within:
        raise _refused(name, "names itself, by way of others or at once; leave it out")
    if len(within) >= _DEEPEST:
        raise _refused(name, f"is the {_DEEPEST + 1}th within others; name it directly")
    read.append(real)
    if len(read) > _MOST:
        raise _refused(name, f"is one of more than {_MOST}; join some of them")
    text = located(path, _text(name, path))
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not _comment(line)], (*within, real)


def _home(path: Path) -> Path:
    with contextlib.suppress(RuntimeError):  # nobody has that name
        return path.expanduser()
    return path


def _comment(line: str) -> bool:
    return line.startswith(("#", "//"))


def _text(name: str, path: Path) -> str:
    """A file's text; a byte-order mark, as some editors write it, is no part of it."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
        content = _first_bytes(path) if regular else b""
    except OSError as error:
        remedy = f"cannot be read ({error.strerror}); name a file of flags"
        raise _refused(name, remedy) from None
    if not regular:
        raise _refused(name, "is no regular file; name a file of flags")
    if len(content) > _LARGEST:
        raise _refused(name, "is too large for a file of flags")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        remedy = f"is no UTF-8 text (byte {error.start}); save it as UTF-8"
        raise _refused(name, remedy) from None


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST + 1)


def _refused(name: str, remedy: str) -> InputError:
    return InputError(f"--flagfile: {name} {remedy}")


def given(words: Sequence[str]) -> frozenset[str]:
    """Names of the flags that a command line gives, flagfiles included."""
    flags = (word.lstrip("-").partition("=")[0] for word in expand(words))
    names = set(flags)
    return frozenset(names | {name.removeprefix("no") for name in names})
