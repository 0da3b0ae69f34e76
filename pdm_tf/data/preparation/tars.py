"""Tars of pictures, and tars of tars, read in any order without being unpacked."""

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from tqdm import tqdm

from pdm_tf.data.folder import is_picture
from pdm_tf.data.records import Spans
from pdm_tf.errors import SettingError

Found = tuple[str, int, int]  # name, first byte, length


def open_tars(
    source: str, paths: list[Path]
) -> tuple[tuple[str, ...], Callable[[int], bytes]]:
    """Finds the pictures of a tar, or of each tar of a directory.

    A picture of a tar among others, or of a tar within a tar, is named after it:
    n01440764.tar's x.JPEG is n01440764/x.JPEG. That is how ImageNet tells classes.

    Args:
      source: what the user wrote, for messages.
      paths: one tar, or several.

    Returns:
      Names, sorted, and the function from an index to a picture's bytes.

    Raises:
      InputError: a tar that is compressed or broken.
    """
    found: list[tuple[str, int, int, int]] = []
    bar = tqdm(desc="finding pictures", unit=" pictures", delay=2, leave=False)
    with bar:
        for number, path in enumerate(paths):
            prefix = f"{path.stem}/" if len(paths) > 1 else ""
            for name, offset, length in _pictures(source, path):
                found.append((prefix + name, number, offset, length))
                bar.update()
    found.sort()
    names = tuple(name for name, *_ in found)
    spans = np.array([span for _, *span in found], np.int64).reshape(-1, 3)
    return names, Spans(tuple(paths), spans).read


def _pictures(source: str, path: Path) -> Iterator[Found]:
    try:
        with path.open("rb") as file:
            yield from _members(file, path.stat().st_size)
    except (tarfile.TarError, EOFError) as error:
        raise SettingError(
            "source",
            source,
            f"{path} is broken, or compressed ({error}); give plain tars (gunzip, "
            "unxz, bunzip2), downloaded whole",
        ) from error


def _members(file: BinaryIO, end: int) -> Iterator[Found]:
    """Pictures from where the file stands, up to byte `end`."""
    tar: Any
    with tarfile.open(fileobj=file, mode="r:") as tar:
        while (member := tar.next()) and member.offset < end:
            tar.members = []  # or a million headers stay in memory
            name = PurePosixPath(member.name)  # without the ./ that tar likes
            after = member.offset_data + member.size
            if not member.isreg() or any(part[0] == "." for part in name.parts):
                continue
            if after > end:
                raise tarfile.ReadError(f"{name} is cut off")
            if name.suffix == ".tar":
                here = file.tell()
                file.seek(member.offset_data)
                for inner, offset, length in _members(file, after):
                    yield f"{name.stem}/{inner}", offset, length
                file.seek(here)
            elif is_picture(name.name):
                yield str(name), member.offset_data, member.size
