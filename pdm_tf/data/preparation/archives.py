"""Containers of pictures: their names, in an order that never changes, and their bytes.

A new kind is a function from a path to an `Archive`, and a line in `open_archive`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pdm_tf.data.decoding import MAX_BYTES
from pdm_tf.data.folder import read_label_file
from pdm_tf.data.label_file import Labels, read_labels
from pdm_tf.data.listing import list_folder, tell_left_out
from pdm_tf.data.preparation.lmdbs import open_lmdb
from pdm_tf.data.preparation.tars import is_tar, open_tars
from pdm_tf.data.preparation.zips import is_zip, open_zip
from pdm_tf.errors import InputError, SettingError
from pdm_tf.storage.reading import is_regular, open_regular, read_regular


@dataclass(frozen=True)
class Archive:
    """Pictures that can be read in any order, from any thread.

    Attributes:
      name: of the source as the user wrote it.
      names: of the pictures, with slashes; folders on the way may be classes.
      read: index -> the bytes of a picture, or InputError where it is damaged.
      close: to be called at the end.
      labels: by name, where the source has a dataset.json.
      left_out: a line on what was passed over, or nothing.
    """

    name: str
    names: tuple[str, ...]
    read: Callable[[int], bytes]
    close: Callable[[], None] = lambda: None
    labels: Labels | None = None
    left_out: str = ""


def open_archive(source: str) -> Archive:
    """Opens what `--source` names; what it is shows from its contents.

    Args:
      source: a folder, a zip, an LSUN lmdb (its directory or its data.mdb), a tar (of
        pictures or of tars of pictures, as ImageNet's), or a directory of tars.

    Raises:
      InputError: none of these, or no pictures in it.
    """
    path = Path(source).expanduser()
    if not source or "\0" in source or not path.exists():
        raise _refused(
            source,
            "does not exist; give a folder, a zip, an lmdb directory or a tar of "
            "pictures",
        )
    archive = _opened(source, path)
    if not archive.names:
        raise _refused(source, "holds no pictures; give one that does")
    return archive


def _refused(source: str, remedy: str) -> SettingError:
    return SettingError("source", source, remedy)


def _opened(source: str, path: Path) -> Archive:
    if path.is_dir() and is_regular(path / "data.mdb"):
        return Archive(source, *open_lmdb(source, path))
    if path.is_dir():
        tars = sorted(filter(is_regular, path.glob("*.tar")))
        if tars:
            return Archive(source, *open_tars(source, tars))
        return _open_folder(source, path)
    try:
        open_regular(path).close()
    except OSError as error:
        raise _refused(
            source,
            f"{error.strerror}; give a folder, a zip, an lmdb directory or a tar of "
            "pictures",
        ) from error
    if path.name == "data.mdb":
        return Archive(source, *open_lmdb(source, path.parent))
    if is_zip(path):
        return _open_zip(source, path)
    if is_tar(path):
        return Archive(source, *open_tars(source, [path]))
    raise _refused(
        source,
        "neither a zip nor a tar; give a folder, a zip, an lmdb directory or a tar of "
        "pictures",
    )


def _open_folder(source: str, root: Path) -> Archive:
    try:
        listing = list_folder(source, root)
        labels = read_label_file(source, root)
    except SettingError as error:
        raise error.named("source") from error
    said = tell_left_out(source, listing.left_out)

    def read(index: int) -> bytes:
        path = root / listing.files[index]
        try:
            return read_regular(path, MAX_BYTES)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error

    return Archive(source, listing.files, read, labels=labels, left_out=said)


def _open_zip(source: str, path: Path) -> Archive:
    names, read, close, content = open_zip(source, path)
    labels = None
    if content is not None:
        labels = read_labels(content, lambda remedy: _refused(source, remedy))
    return Archive(source, names, read, close, labels)
