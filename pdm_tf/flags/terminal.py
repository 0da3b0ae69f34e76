"""The way of text to a terminal, whatever its encoding and whoever named the files."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from pdm_tf.errors import printable

_CURSOR_UP = re.compile(r"\n*(\x1b\[A)*")  # how tqdm goes from one bar to another


class SafeStream:
    """A stream that writes what it can show, and spells out the rest.

    Args:
      stream: stdout or stderr.
      needed: whether work is in vain when nobody reads it any more. If not, it is
        passed over.
    """

    def __init__(self, stream: Any, needed: bool) -> None:
        self._stream, self._needed = stream, needed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes text; see `printable`. Progress bars may return to a line's start."""
        with self._passing_over():
            self._stream.write(self._encodable(_shown(text)))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """As of every stream."""
        with self._passing_over():
            self._stream.flush()

    @contextlib.contextmanager
    def _passing_over(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # closed, by us or at the other end
            if self._needed:
                closed = getattr(self._stream, "closed", False)
                raise (BrokenPipeError() if closed else error) from None

    def _encodable(self, text: str) -> str:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)


def _shown(text: str) -> str:
    if _CURSOR_UP.fullmatch(text):
        return text
    start, end = text.startswith("\r"), text.endswith("\r") and len(text) > 1
    parts = re.split(r"([\n\t])", text[start : len(text) - end])
    middle = "".join(
        part if part in ("\n", "\t") else printable(part) for part in parts
    )
    return "\r" * start + middle + "\r" * end


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Until the block ends, stdout and stderr are safe, open, or lead to nowhere."""
    _open_descriptors()
    before = sys.stdout, sys.stderr
    streams: list[Any] = [stream or _nowhere() for stream in before]
    safe: list[Any] = [SafeStream(streams[0], True), SafeStream(streams[1], False)]
    sys.stdout, sys.stderr = safe
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def _nowhere() -> Any:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _open_descriptors() -> None:
    """Sees that no file of ours becomes stdin, stdout or stderr.

    Under a launcher that closed them the next file opened would, and libraries would
    write their messages into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)


def silence(stream: Any) -> None:
    """Lets a stream lead to nowhere, so that Python's end does not complain of it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, stream.fileno())
        os.close(handle)
