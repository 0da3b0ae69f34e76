"""LSUN's lmdb: read by a process of its own, since a damaged one ends who reads it.

An lmdb is mapped into memory. Where its file is shorter than its pages say, or a page
points astray, the system stops the process (SIGBUS, SIGSEGV) and no error is raised.
"""

import multiprocessing
import signal
import struct
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pdm_tf.data.decoding import MAX_BYTES
from pdm_tf.errors import InputError, SettingError
from pdm_tf.storage.reading import open_regular

_PAGE = struct.Struct("<8xHHHH")  # header of a page
_META = struct.Struct("<IIQQ")  # magic, version, address, map size
_DATABASE = struct.Struct("<IHHQQQQQ")  # its first word: bytes of a page
_MAGIC = 0xBEEFC0DE
_REMEDY = "copy or unzip it again, whole"
Reader = tuple[tuple[str, ...], Callable[[int], bytes], Callable[[], None]]


def open_lmdb(source: str, directory: Path) -> Reader:
    """One category, keys without meaning, pictures as webp.

    Returns:
      Names; the function from an index to a picture's bytes, from any thread; what
      ends the process.

    Raises:
      SettingError: no lmdb, one cut short or damaged, or no package that reads it.
    """
    try:
        import lmdb  # noqa: F401
    except ImportError as error:
        raise SettingError(
            "source",
            source,
            "reading an lmdb needs a package that is not installed; run pip install "
            "lmdb",
        ) from error
    _check_size(source, directory / "data.mdb")
    reader = _Process(source, directory)
    names = reader.start()
    return names, reader.read, reader.close


def _check_size(source: str, path: Path) -> None:
    """Compares the file's size with the number of pages that it says to have."""
    try:
        with open_regular(path) as file:
            head = file.read(2**17)
            size = file.seek(0, 2)
    except OSError as error:
        raise SettingError(
            "source", source, f"{path} cannot be read ({error.strerror})"
        ) from error
    wanted = _size_wanted(head)
    if wanted is None:
        raise SettingError("source", source, f"{path} is no lmdb; {_REMEDY}")
    if size < wanted:
        raise SettingError(
            "source",
            source,
            f"{path} is cut off: it has {size:,} bytes of {wanted:,}; {_REMEDY}",
        )


def _size_wanted(head: bytes) -> int | None:
    """Bytes up to the last page that is in use, by the newer of two meta pages."""
    first = _meta(head, 0)
    if first is None:
        return None
    found = [first, _meta(head, first[0]) or first]
    bytes_of_page, last, _ = max(found, key=lambda meta: meta[2])
    return bytes_of_page * (last + 1)


def _meta(head: bytes, start: int) -> tuple[int, int, int] | None:
    """Bytes of a page, the last page's number, and of the transaction."""
    at = start + 16
    if len(head) < at + _META.size + 2 * _DATABASE.size + 16:
        return None
    magic, *_ = _META.unpack_from(head, at)
    bytes_of_page = _DATABASE.unpack_from(head, at + _META.size)[0]
    last, number = struct.unpack_from("<QQ", head, at + _META.size + 2 * _DATABASE.size)
    sound = magic == _MAGIC and 256 <= bytes_of_page <= 2**16
    return (bytes_of_page, last, number) if sound else None


class _Process:
    """The other process, and what is said to it."""

    def __init__(self, source: str, directory: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._source, self._lock = source, threading.Lock()
        self._mine, theirs = context.Pipe()
        arguments = (theirs, str(directory))
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def start(self) -> tuple[str, ...]:
        """The names of all pictures."""
        try:
            found = self._mine.recv()
        except (EOFError, OSError):
            found = "it ended the process that read it"
        if isinstance(found, str):
            self.close()
            raise SettingError(
                "source",
                self._source,
                f"not an lmdb that can be read ({found}); {_REMEDY}",
            )
        return found

    def read(self, index: int) -> bytes:
        """A picture's bytes; InputError where it is damaged."""
        try:
            with self._lock:
                self._mine.send(index)
                found = self._mine.recv()
        except (EOFError, OSError) as error:
            raise SettingError(
                "source",
                self._source,
                f"damaged: picture {index} ended the process that read it; {_REMEDY}",
            ) from error
        if isinstance(found, str):
            raise InputError(found)
        return found

    def close(self) -> None:
        """Ends the process."""
        self._mine.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()


def _serve(pipe: Connection, directory: str) -> None:
    """The other process: names first, then pictures by their index."""
    import lmdb

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends this one
    try:
        opened = lmdb.open(directory, readonly=True, lock=False, readahead=False)
        with opened.begin() as reading, reading.cursor() as cursor:
            keys = [bytes(key) for key in cursor.iternext(keys=True, values=False)]
            pipe.send(tuple(key.decode("ascii", "backslashreplace") for key in keys))
        with opened.begin(buffers=True) as values:
            while True:
                pipe.send(_value(values.get(keys[pipe.recv()])))
    except EOFError:
        return
    except (lmdb.Error, OSError) as error:
        pipe.send(" ".join(str(error).split())[:200])


def _value(found: Any) -> bytes | str:
    if found is None or len(found) > MAX_BYTES:
        return "gone" if found is None else f"{len(found):,} bytes are too many"
    return bytes(found)
