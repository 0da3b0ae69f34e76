"""Which pictures are for training and which are held out, by the names of folders."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_END = r"([-_ ]?(images?|imgs?|pictures|data|set|split|[ab]|\d{4}))?"
_TRAIN = re.compile(rf"(train|training){_END}", re.IGNORECASE)
_HELD_OUT = re.compile(
    rf"(test|testing|val|valid|validation|evaluation|eval|h[eo]ld[-_ ]?out){_END}",
    re.IGNORECASE,
)
_ORDER = ("test", "testing", "val", "valid", "validation")  # the first is the test's


class Placed(NamedTuple):
    """A file, and what the folders on its way say.

    Attributes:
      file: its path.
      split: "train"; or as the folder begins that it is held out by, such as "val";
        or "" for what lies beside the folder of the training pictures.
      rest: the path without the folder of its split, which holds its class.
      folder: the folder of its split; or, beside that of the training pictures, the
        first on its way.
    """

    file: str
    split: str
    rest: str
    folder: str


def placed(files: Sequence[str]) -> list[Placed]:
    """Says of each file which split it belongs to.

    At the first level a folder called test, val, valid, validation or held_out, in
    whatever letters, is held out; deeper it is where a folder called train lies beside
    it. `train` is the split, and not a class, where something is held out beside it
    or nothing else is there.
    """
    marks = _marks(_subfolders(files))
    return [_placed(file, marks) for file in files]


def held_out(files: Iterable[Placed]) -> list[Placed]:
    """The pictures of the test split: those in test, or else in val, valid, …"""
    files = [one for one in files if one.split not in ("train", "")]
    splits = {one.split for one in files}
    first = next((s for s in _ORDER if s in splits), min(splits, default=""))
    return [one for one in files if one.split == first]


def _subfolders(files: Sequence[str]) -> dict[str, set[str]]:
    """Folder -> names of its sub-folders; "" among them where it holds files too."""
    below: dict[str, set[str]] = {}
    for folder in {file.rpartition("/")[0] for file in files}:
        below.setdefault(folder, set()).add("")
        while folder and folder not in below.get(folder.rpartition("/")[0], ()):
            above, _, name = folder.rpartition("/")
            below.setdefault(above, set()).add(name)
            folder = above
    return below


def _marks(below: dict[str, set[str]]) -> dict[str, str]:
    """Path of a folder -> its split; for one with a train folder, itself -> ""."""
    marks: dict[str, str] = {}
    for folder, names in below.items():
        train = [name for name in names if _TRAIN.fullmatch(name)]
        other = {name: _HELD_OUT.fullmatch(name) for name in names}
        held = {name: match[1].lower() for name, match in other.items() if match}
        prefix = f"{folder}/" if folder else ""
        alone = not folder and len(names) == 1
        if held and (train or not folder):
            marks |= {prefix + name: split for name, split in held.items()}
        if train and (held or alone):
            marks |= {prefix + name: "train" for name in train} | {folder: ""}
    return marks


def _placed(file: str, marks: dict[str, str]) -> Placed:
    parts = file.split("/")
    split = marks.get("", "train")  # beside a train folder: of no split
    for depth in range(1, len(parts)):
        found = marks.get("/".join(parts[:depth]))
        if found == "":
            split = ""
        elif found is not None:
            rest, folder = parts[: depth - 1] + parts[depth:], parts[:depth]
            return Placed(file, found, "/".join(rest), "/".join(folder))
    return Placed(file, split, file, parts[0])
