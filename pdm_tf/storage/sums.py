"""SHA256SUMS: the checksums of a directory's files, in a file among them.

It has the form of coreutils, so that anybody can check a directory with
`sha256sum --check SHA256SUMS`.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from pdm_tf.errors import InputError
from pdm_tf.storage.files import checksum, write_text
from pdm_tf.storage.reading import read_regular

NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")
_LARGEST = 2**24  # bytes of such a file


def write_sums(directory: Path) -> None:
    """Writes the checksums of all files that are in a directory now.

    Raises:
      OSError: the disk is full, or refuses.
    """
    lines = [f"{checksum(directory / name)}  {name}\n" for name in _files(directory)]
    write_text(directory / NAME, "".join(lines))


def check_sums(directory: Path | str, needed: Iterable[str] = ()) -> bool:
    """Whether a directory has checksums, which are then right.

    Files that came later, such as a note of somebody, are not looked at; those that
    are listed must be there.

    Args:
      directory: with the file SHA256SUMS.
      needed: patterns of names that it lists for certain, unless it was cut short.

    Raises:
      InputError: a file differs from what was written, or is missing.
    """
    path = Path(directory) / NAME
    if not path.exists():
        return False
    listed = _read(path)
    for pattern in needed:
        files = [f for f in Path(directory).glob(pattern) if f.name[0] != "."]
        there = {str(file.relative_to(directory)) for file in files}
        if missing := sorted(there - listed.keys()):
            raise InputError(f"{NAME} is cut short: {missing[0]} is not in it")
    for name, expected in listed.items():
        try:
            found = checksum(Path(directory) / name)
        except OSError as error:
            raise InputError(
                f"{name} cannot be read ({error.strerror}), and {NAME} lists it"
            ) from None
        if found != expected:
            raise InputError(f"{name} is damaged: it differs from its line in {NAME}")
    return True


def list_names(directory: Path | str) -> set[str]:
    """The files that a directory's checksums name; none where they cannot be read."""
    try:
        return set(_read(Path(directory) / NAME))
    except InputError:
        return set()


def _read(path: Path) -> dict[str, str]:
    try:
        text = read_regular(path, _LARGEST).decode("utf-8")
        lines = [_LINE.fullmatch(line) for line in text.splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{NAME} cannot be read ({error})") from None
    found = {line[2]: line[1] for line in lines if line}
    if not text.endswith("\n") or len(found) != len(lines):
        raise InputError(f"{NAME} is damaged or cut short")
    if any(name.startswith("/") or ".." in Path(name).parts for name in found):
        raise InputError(f"{NAME} names a file outside of its directory")
    return found


def _files(directory: Path) -> list[str]:
    """All files within a directory, by their paths in it."""
    found = [path for path in directory.rglob("*") if path.is_file()]
    return sorted({str(path.relative_to(directory)) for path in found} - {NAME})
