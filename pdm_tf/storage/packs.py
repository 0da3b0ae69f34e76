"""A directory in one file, and back: every file has its checksum in it."""

import zipfile
from pathlib import Path, PurePosixPath

from pdm_tf.errors import InputError, SettingError
from pdm_tf.storage.directories import appearing_directory
from pdm_tf.storage.files import appearing
from pdm_tf.storage.sums import NAME, check_sums, list_names, write_sums
from pdm_tf.storage.zips import open_whole_zip

_BLOCK = 2**20  # bytes copied at a time
_MANY = 10_000  # files, at most
_EPOCH = (1980, 1, 1, 0, 0, 0)  # so that equal directories are equal files


def pack(directory: Path, path: Path) -> None:
    """Writes all files of a directory into a zip, with SHA256SUMS among them."""
    write_sums(directory)
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    with appearing(path) as new, zipfile.ZipFile(new, "w") as archive:
        for file in files:
            name = file.relative_to(directory).as_posix()
            with (
                file.open("rb") as source,
                archive.open(zipfile.ZipInfo(name, _EPOCH), "w") as target,
            ):
                while block := source.read(_BLOCK):
                    target.write(block)


def unpack(path: Path, directory: Path) -> None:
    """Makes the directory of what `pack` wrote; it appears whole, or not at all.

    Raises:
      SettingError: no such file, a damaged one, or names that lead elsewhere.
      OSError: the disk is full, or refuses.
    """
    try:
        with open_whole_zip(path) as archive, appearing_directory(directory) as new:
            for member in _checked(path, archive):
                target = new / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, target.open("wb") as file:
                    while block := source.read(_BLOCK):
                        file.write(block)
            _check_contents(path, new, set(archive.namelist()))
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise _refusal(path, str(error)) from None


def _checked(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The members of an archive, none of which is written elsewhere or too large."""
    members = archive.infolist()
    names = [member.filename for member in members]
    if NAME not in names or len(members) > _MANY or len(set(names)) != len(names):
        raise _refusal(path, f"it has no {NAME}, or too many files")
    for member in members:
        place = PurePosixPath(member.filename)
        outside = place.is_absolute() or ".." in place.parts or "\\" in member.filename
        if outside or member.is_dir() or member.compress_type != zipfile.ZIP_STORED:
            raise _refusal(path, f"{member.filename!r} is no file of a model")
    return members


def _check_contents(path: Path, directory: Path, names: set[str]) -> None:
    """Raises SettingError unless all files, and only these, have right checksums."""
    try:
        check_sums(directory)
    except InputError as error:
        raise _refusal(path, str(error)) from None
    if unknown := names - list_names(directory) - {NAME}:
        raise _refusal(path, f"no checksum is of {min(unknown)}")


def _refusal(path: Path, reason: str) -> SettingError:
    return SettingError(
        "archive", path, f"is not as pdm-tf pack wrote it ({reason}); copy it again"
    )
