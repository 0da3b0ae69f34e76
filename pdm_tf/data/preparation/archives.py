"""Containers of pictures: their names, in an order that never changes, and their bytes.

A new kind is a function from a path to an `Archive`, and a line in `open_archive`.
"""

import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pdm_tf.data.folder import is_picture, pictures_below
from pdm_tf.data.preparation.tars import open_tars
from pdm_tf.errors import SettingError


@dataclass(frozen=True)
class Archive:
    """Pictures that can be read in any order, from any thread."""

    name: str  # of the source as the user wrote it
    names: tuple[str, ...]  # with slashes; folders on the way may be classes
    read: Callable[[int], bytes]
    close: Callable[[], None] = lambda: None


def open_archive(source: str) -> Archive:
    """Opens what `--source` names; what it is shows from its contents.

    Args:
      source: a folder, a zip, an LSUN lmdb (its directory or its data.mdb), a tar (of
        pictures or of tars of pictures, as ImageNet's), or a directory of tars.

    Raises:
      InputError: none of these, or no pictures in it.
    """
    path = Path(source).expanduser()
    if not source or not path.exists():
        raise SettingError(
            "source",
            source,
            "does not exist; give a folder, a zip, an lmdb directory or a tar of "
            "pictures",
        )
    archive = _opened(source, path)
    if not archive.names:
        raise SettingError("source", source, "holds no pictures; give one that does")
    return archive


def _opened(source: str, path: Path) -> Archive:
    if path.is_dir() and (path / "data.mdb").is_file():
        return _open_lmdb(source, path)
    if path.name == "data.mdb":
        return _open_lmdb(source, path.parent)
    if path.is_dir():
        tars = sorted(path.glob("*.tar"))
        if tars:
            return Archive(source, *open_tars(source, tars))
        return _open_folder(source, path)
    if zipfile.is_zipfile(path):
        return _open_zip(source, path)
    if tarfile.is_tarfile(path):
        return Archive(source, *open_tars(source, [path]))
    raise SettingError(
        "source",
        source,
        "neither a zip nor a tar; give a folder, a zip, an lmdb directory or a tar of "
        "pictures",
    )


def _open_folder(source: str, root: Path) -> Archive:
    try:
        names = tuple(pictures_below(source, root))
    except SettingError as error:
        raise error.named("source") from error
    return Archive(source, names, lambda index: (root / names[index]).read_bytes())


def _open_zip(source: str, path: Path) -> Archive:
    file = zipfile.ZipFile(path)
    found = {entry.filename: entry for entry in file.infolist()}
    if any(PurePosixPath(name).name == "data.mdb" for name in found):
        raise SettingError(
            "source", source, "holds an lmdb; unzip it and give its directory"
        )
    names = tuple(sorted(filter(is_visible_picture, found)))
    if any(found[name].flag_bits & 1 for name in names):
        raise SettingError("source", source, "has a password; unpack it and give that")

    def read(index: int) -> bytes:
        return file.read(found[names[index]])

    return Archive(source, names, read, file.close)


def is_visible_picture(name: str) -> bool:
    """Whether a path inside an archive is a picture's, by its name."""
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return bool(parts) and not hidden and is_picture(parts[-1])


def _open_lmdb(source: str, directory: Path) -> Archive:
    """LSUN's: one category, keys without meaning, pictures as webp."""
    environment = _environment(source, directory)
    with environment.begin() as reading, reading.cursor() as cursor:
        keys = tuple(bytes(key) for key in cursor.iternext(keys=True, values=False))

    def read(index: int) -> bytes:
        with environment.begin() as reading:  # each thread needs a view of its own
            return bytes(reading.get(keys[index]))

    names = tuple(key.decode("ascii", "backslashreplace") for key in keys)
    return Archive(source, names, read, environment.close)


def _environment(source: str, directory: Path) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise SettingError(
            "source",
            source,
            "reading an lmdb needs a package that is not installed; run pip install "
            "lmdb",
        ) from error
    try:
        return lmdb.open(str(directory), readonly=True, lock=False, readahead=False)
    except lmdb.Error as error:
        raise SettingError(
            "source",
            source,
            f"not an lmdb that can be read ({error}); copy or unzip it again",
        ) from error
