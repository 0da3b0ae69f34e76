"""Which checkpoints lie in a folder, and which of them are whole."""

import contextlib
import re
import sys
from pathlib import Path
from typing import NamedTuple

from pdm_tf.errors import SettingError
from pdm_tf.storage.files import checksum
from pdm_tf.storage.reading import is_regular, open_regular
from pdm_tf.storage.shards import shards_in
from pdm_tf.training import manifest as manifests

LATEST = "manifest.json"  # a copy of the newest checkpoint's manifest
SAVING = ".saving"  # where a checkpoint is written before it is moved to its place
_INDEX, _HEAD = 2**30, 128  # bytes of an index, at most; of its beginning
_TRIES = 20  # of a reader beside a trainer
_NAME = re.compile(r"ckpt-(\d+)\.(index|json)")


class CheckpointFile(NamedTuple):
    """A checkpoint that is whole."""

    number: int  # steps finished
    prefix: str  # as TensorFlow names it, directory included
    manifest: manifests.Manifest

    @property
    def name(self) -> str:
        """What its files are called, without their kinds."""
        return f"ckpt-{self.number}"


class Damaged(Exception):
    """A checkpoint that must not be loaded; its text says why."""


def numbers(directory: Path) -> list[int]:
    """Steps of all checkpoints in a folder, whole or not, newest first."""
    if not directory.is_dir():
        return []
    names = (_NAME.fullmatch(path.name) for path in directory.iterdir())
    return sorted({int(name[1]) for name in names if name}, reverse=True)


def is_begun(directory: Path) -> bool:
    """Whether a checkpoint was ever finished in a folder, and one is there still."""
    # This file is written last, so without it a first checkpoint was cut off.
    return bool(numbers(directory)) and (directory / LATEST).exists()


def traces(directory: Path) -> list[str]:
    """What lies in a folder of checkpoints that must not be passed over.

    Nothing where the very first checkpoint was cut off while it was written: then no
    more than its manifest has come, or the folder it was written in is there still.
    """
    there = numbers(directory)
    left = [f"parts of ckpt-{number}" for number in there]
    if (directory / LATEST).exists():
        left.append(f"checkpoints/{LATEST}")
    elif len(there) <= 1:
        came = [*directory.glob("ckpt-*.index"), *directory.glob("ckpt-*.data*")]
        if not came or (directory / SAVING).is_dir():
            return []
    return left


def examine(directory: Path, number: int) -> CheckpointFile:
    """Reads a checkpoint's manifest and compares the files with it.

    Raises:
      Damaged: it is not whole, or not what was once written.
      SettingError: a newer pdm_tf wrote it.
    """
    name = f"ckpt-{number}"
    own = directory / f"{name}.json"
    try:
        if own.exists():
            manifest = manifests.read(own)
        else:
            own = directory / LATEST
            manifest = _of_older_code(directory, number)
    except (OSError, ValueError) as error:
        raise Damaged(f"{own.name} cannot be read: {error}") from None
    manifests.refuse_newer(manifest, directory.parent)
    for file, expected in manifest.get("files", {}).items():
        try:
            found = checksum(directory / file)
        except OSError as error:
            raise Damaged(f"{file} cannot be read: {error.strerror}") from None
        if found != expected:
            raise Damaged(f"{file} differs from its checksum")
    if manifest.get("step") != number and "files" in manifest:
        raise Damaged(f"{own.name} is of step {manifest.get('step')}")
    _check_shards(directory, name)
    return CheckpointFile(number, str(directory / name), manifest)


def _check_shards(directory: Path, name: str) -> None:
    """Raises Damaged where a checkpoint claims to be in other files than are there.

    TensorFlow takes the number from the index, whatever it claims.
    """
    try:
        with open_regular(directory / f"{name}.index", limit=_INDEX) as file:
            claimed = shards_in(file.read(_HEAD))
    except OSError as error:
        raise Damaged(f"{name}.index cannot be read: {error.strerror}") from None
    there = [p for p in directory.glob(f"{name}.data-*-of-*") if is_regular(p)]
    if claimed != len(there):
        raise Damaged(f"{name} is in {len(there)} files, and {claimed} by its index")


def _of_older_code(directory: Path, number: int) -> manifests.Manifest:
    """The manifest of a checkpoint from the time before they had their own."""
    manifest = manifests.read(directory / LATEST)
    written = any((directory / f"ckpt-{n}.json").exists() for n in range(number))
    own = manifest.get("format") != 1 and manifest.get("step") == number
    if written or own:  # newer code wrote it, and its manifest with it
        raise ValueError("the checkpoint's own manifest is missing")
    return {name: value for name, value in manifest.items() if name != "files"}


def find_newest(directory: Path) -> CheckpointFile | None:
    """The newest checkpoint that is whole; names damaged ones on stderr.

    Returns:
      None where none was ever finished.

    Raises:
      SettingError: there are checkpoints, but none is whole.
    """
    for _ in range(_TRIES):
        there = numbers(directory)
        stored, damaged = _first_whole(directory, there)
        if not damaged or numbers(directory) == there:
            break  # else a trainer has taken some of them away meanwhile
    if stored and damaged:
        _warn(
            f"warning: {directory}: {', '.join(damaged)}; falls back to step "
            f"{stored.number}, and the steps after it are lost"
        )
    if not stored and damaged and traces(directory):
        raise SettingError(
            "run_dir",
            directory.parent,
            f"no checkpoint is whole: {', '.join(damaged)}; put back a copy of "
            f"{directory} or give another `run_dir`",
        )
    return stored


def _first_whole(
    directory: Path, there: list[int]
) -> tuple[CheckpointFile | None, list[str]]:
    """The first of some checkpoints that is whole, and what is wrong with others."""
    damaged: list[str] = []
    for number in there:
        try:
            return examine(directory, number), damaged
        except Damaged as fault:
            damaged.append(f"ckpt-{number} is damaged ({fault})")
    return None, damaged


def _warn(line: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(line, file=sys.stderr, flush=True)
