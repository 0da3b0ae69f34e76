"""Which files below a folder are pictures of its owner's: one way through all folders.

Left out, and named, is what is hidden or of the system, what is no regular file, and
what commands of pdm_tf wrote: a run, an export, samples or a report that lie within a
data set never change it.
"""

import errno
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pdm_tf.errors import SettingError, printable
from pdm_tf.storage.reading import read_regular

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_SYSTEM = frozenset(
    {
        "__macosx",
        "@eadir",
        "#recycle",
        "#snapshot",
        "~snapshot",
        "@recycle",
        "@recently-snapshot",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "thumbs.db",
    }
)
_DEEPEST = 100  # folders within folders
_NOWHERE = 0  # what a link leads to that is broken
_OF_RUNS = frozenset({"checkpoints", "samples", "logs", "export", "samples.png"})
# A file that only we write -> what beside it is ours too; None for all of it, where a
# command refuses a directory that holds anything else.
_OURS: dict[str, frozenset[str] | None] = {
    "config.flags": _OF_RUNS,
    "begun.json": _OF_RUNS,
    "model.json": _OF_RUNS,
    "saved_model.pb": None,
    "manifest.json": None,
}
_MANIFEST = 2**24  # bytes of one that is read
# What a manifest of samples holds, since version 0.1, and one of edited pictures.
_KEYS = ({"num_images", "seed", "sampler", "steps"}, {"task", "digest", "inputs"})


@dataclass(frozen=True)
class Listing:
    """Picture files below a folder.

    Attributes:
      files: relative to the folder, with slashes, sorted.
      left_out: what was passed over -> why.
    """

    files: tuple[str, ...]
    left_out: dict[str, str]


def is_picture(file: str) -> bool:
    """Whether a name without folders is a picture's."""
    return not file.startswith(".") and Path(file).suffix.lower() in SUFFIXES


def is_system(name: str) -> bool:
    """Whether a file or folder is hidden, or one that systems make for themselves."""
    return name.startswith(".") or name.lower() in _SYSTEM


def list_folder(dataset: str, root: Path) -> Listing:
    """Picture files below a folder; links are followed, each folder entered once.

    Args:
      dataset: what was asked for, for messages.
      root: the folder.

    Raises:
      SettingError: a folder that cannot be listed.
    """
    files: list[str] = []
    left_out: dict[str, str] = {}
    # Links may lead in a circle: back to a folder, or to one around all of this.
    seen = {_identity(above) for above in root.resolve().parents}
    waiting = [(root, "", 0)]
    while waiting:
        folder, prefix, depth = waiting.pop()
        entries = _entries(dataset, folder)
        if entries is None or depth > _DEEPEST:
            left_out[prefix.rstrip("/")] = "too deep"
            continue
        if _identity(folder) in seen:
            continue
        seen.add(_identity(folder))
        reasons = _left_out(folder, entries, at_root=not prefix)
        left_out |= {prefix + name: reason for name, reason in reasons.items()}
        kept = sorted(entries.keys() - reasons.keys(), reverse=True)
        for name in kept:
            if entries[name] == stat.S_IFDIR:
                waiting.append((folder / name, f"{prefix}{name}/", depth + 1))
        files += [prefix + name for name in kept if entries[name] != stat.S_IFDIR]
    return Listing(tuple(sorted(filter(_is_picture_path, files))), left_out)


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _is_picture_path(path: str) -> bool:
    return is_picture(path.rpartition("/")[2])


def _left_out(folder: Path, entries: dict[str, int], at_root: bool) -> dict[str, str]:
    """What is passed over in a folder, and why; of other files nothing is said."""
    reasons = _made_by_us(folder, entries, at_root)
    for name, kind in entries.items():
        if kind == stat.S_IFDIR:
            if is_system(name):
                reasons[name] = "hidden or of the system"
        # A link that leads nowhere is kept, and named when it cannot be read.
        elif kind not in (stat.S_IFREG, _NOWHERE) and is_picture(name):
            reasons[name] = "no regular file"
    return reasons


def _entries(dataset: str, folder: Path) -> dict[str, int] | None:
    """Names in a folder, and what each is once links are followed.

    None where the path has become too long for the system.
    """
    try:
        with os.scandir(folder) as found:
            return {entry.name: _kind(entry) for entry in found}
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise SettingError(
            "dataset",
            dataset,
            f"{printable(str(folder))} cannot be listed ({error.strerror}); allow it "
            "to be read or move it away",
        ) from error


def _kind(entry: "os.DirEntry[str]") -> int:
    try:
        if entry.is_file():
            return stat.S_IFREG
        return stat.S_IFDIR if entry.is_dir() else stat.S_IFMT(entry.stat().st_mode)
    except OSError:
        return _NOWHERE


def _made_by_us(folder: Path, entries: dict[str, int], at_root: bool) -> dict[str, str]:
    """What in a folder commands of ours wrote, and which.

    A folder that the user named himself is what he wants, if it is ours as a whole.
    """
    why: dict[str, str] = {}
    for marker, beside in _OURS.items():
        if entries.get(marker) != stat.S_IFREG:
            continue
        if beside is not None:
            why |= dict.fromkeys(beside & entries.keys(), "made by pdm_tf")
        elif not at_root and (marker != "manifest.json" or _is_ours(folder / marker)):
            return dict.fromkeys(entries, "made by pdm_tf")
    if "dataset_info.json" in entries:
        sheets = [name for name in entries if name.startswith("contact_sheet_")]
        why |= dict.fromkeys(sheets, "made by pdm_tf")
    for name in entries:  # figures, with their numbers and words beside them
        stem, dot, suffix = name.rpartition(".")
        words = f"{stem}.json" in entries or f"{stem}.txt" in entries
        if suffix == "png" and dot and words and f"{stem}.csv" in entries:
            why[name] = "made by pdm_tf"
    return why


def _is_ours(manifest: Path) -> bool:
    """Whether a manifest.json is one of samples or edited pictures."""
    try:
        found = json.loads(read_regular(manifest, _MANIFEST))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and any(keys <= found.keys() for keys in _KEYS)


def tell_left_out(dataset: str, left_out: dict[str, str]) -> str:
    """One line on what was left out, and why; empty where nothing was."""
    if not left_out:
        return ""
    by_reason: dict[str, list[str]] = {}
    for path, reason in left_out.items():
        by_reason.setdefault(reason, []).append(printable(path))
    parts = []
    for reason, paths in by_reason.items():
        more = f" and {len(paths) - 3:,} more" if len(paths) > 3 else ""
        parts.append(f"{', '.join(paths[:3])}{more} ({reason})")
    return f"{printable(dataset)}: left out: {'; '.join(parts)}"
