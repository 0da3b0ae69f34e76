"""Zips of pictures: a fault is found when one is opened, or is that of one picture."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from pdm_tf.data.decoding import MAX_BYTES
from pdm_tf.data.label_file import LABEL_FILE
from pdm_tf.data.label_file import MAX_BYTES as MAX_LABEL_BYTES
from pdm_tf.data.listing import is_picture, is_system
from pdm_tf.errors import InputError, SettingError, printable
from pdm_tf.storage.zips import open_whole_zip

METHODS = {
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
}
_NAMES = {9: "Deflate64", 93: "zstd", 95: "xz", 96: "JPEG", 98: "PPMd", 99: "AES"}
_ENCRYPTED = 0x41  # flags of a member: by password, or by a key
_START = b"PK\3\4"
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
Found = dict[str, zipfile.ZipInfo]


def is_zip(path: Path) -> bool:
    """Whether a regular file begins or ends as a zip does."""
    with path.open("rb") as file:
        begun = file.read(4) == _START
    return begun or zipfile.is_zipfile(path)


def open_zip(
    source: str, path: Path
) -> tuple[tuple[str, ...], Callable[[int], bytes], Callable[[], None], bytes | None]:
    """Finds the pictures of a zip.

    Returns:
      Names, sorted; the function from an index to a picture's bytes, which may raise
      InputError; what closes the zip; the content of its dataset.json, or None.

    Raises:
      SettingError: a zip that is cut off, damaged, encrypted, packed by a method that
        cannot be read, or whose names lead out of it or are there twice.
    """
    file = _opened(source, path)
    try:
        found = _members(source, file)
        names = tuple(sorted(filter(is_visible_picture, found)))
        _check(source, [found[name] for name in names])
        labels = None
        if LABEL_FILE in found:
            labels = _read(file, found[LABEL_FILE], MAX_LABEL_BYTES)
    except InputError as error:
        file.close()
        raise (
            error if isinstance(error, SettingError) else _refused(source, str(error))
        ) from error

    def read(index: int) -> bytes:
        return _read(file, found[names[index]], MAX_BYTES)

    return names, read, file.close, labels


def _refused(source: str, remedy: str) -> SettingError:
    return SettingError("source", source, remedy)


def _opened(source: str, path: Path) -> zipfile.ZipFile:
    try:
        return open_whole_zip(path)
    except _BROKEN as error:
        reason = "its end is missing"
        if zipfile.is_zipfile(path):
            reason = printable(" ".join(str(error).split()))[:100]
        raise _refused(
            source, f"the zip is cut off or damaged ({reason}); copy it again, whole"
        ) from error


def _members(source: str, file: zipfile.ZipFile) -> Found:
    found: Found = {}
    for entry in file.infolist():
        if entry.is_dir():
            continue
        name = entry.filename
        if "\\" in name and "/" not in name:  # as some programs of Windows write them
            name = name.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/"):
            raise _refused(
                source, f"its member {printable(name)} leads out of it; pack it again"
            )
        if name in found and is_visible_picture(name):
            raise _refused(
                source,
                f"two of its pictures are called {printable(name)}; pack it again",
            )
        found[name] = entry
        if PurePosixPath(name).name == "data.mdb":
            raise _refused(source, "holds an lmdb; unzip it and give its directory")
    return found


def is_visible_picture(name: str) -> bool:
    """Whether a path inside an archive is a picture's, by its name."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not any(map(is_system, parts)) and is_picture(parts[-1])


def _check(source: str, entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED:
            raise _refused(source, "has a password; unpack it and give that")
        if entry.compress_type not in METHODS:
            method = _NAMES.get(entry.compress_type, f"number {entry.compress_type}")
            raise _refused(
                source,
                f"is packed by a method that is not read here ({method}); unpack it "
                "and give the folder, or pack it with deflate",
            )


def _read(file: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    """A member's bytes, never more than `limit`.

    Raises:
      InputError: it is damaged, or larger.
    """
    name = printable(entry.filename)
    if entry.file_size > limit:
        raise InputError(
            f"{name} has {entry.file_size:,} bytes unpacked, more than the {limit:,} "
            "that it may"
        )
    try:
        with file.open(entry) as member:
            return member.read(entry.file_size + 1)  # and no more, if that is a lie
    except _BROKEN as error:
        reason = printable(" ".join(str(error).split()))[:100]
        raise InputError(f"{name} is damaged ({reason})") from error
