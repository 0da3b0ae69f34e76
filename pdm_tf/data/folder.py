"""Any folder of pictures on disk."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pdm_tf.data.classes import check_classes, ordered_classes, tell_order
from pdm_tf.data.images import read_picture
from pdm_tf.data.reading import InMemory, OnDemand, kept_in_memory
from pdm_tf.errors import SettingError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
_HELD_OUT = ("test", "val", "validation")  # sub-folders taken for the test split


@dataclass(frozen=True)
class Pictures:
    """Picture files below one folder, in sorted order."""

    root: Path
    files: tuple[str, ...]  # relative to root
    image_shape: tuple[int, int, int]

    def __call__(self, index: int) -> np.ndarray:
        """uint8 [H, W, C]; InputError where the file is no picture."""
        return read_picture(self.root / self.files[index], self.image_shape)


def open_folder(
    argument: str, image_shape: tuple[int, int, int], num_classes: int, split: str
) -> InMemory | OnDemand:
    """Every jpg, png, webp and bmp below a folder, sorted by path.

    Hidden files and folders are passed over, links are followed. With classes, the
    sub-folders at the first level are the classes, by name or number. Where PATH holds
    train and test (or val, or validation), these are the splits and classes lie
    within them, train's deciding on names and labels. Otherwise all pictures are for
    training, and the test split is refused rather than taken from among them.

    Up to 1 GiB of decoded pictures is kept in memory and read at once. Broken
    pictures are then left out; in a larger folder, where they are met only on the
    way, their successors stand in. Both name them on stderr and in `skipped`.

    Args:
      argument: the path.
      image_shape: (H, W, C) in pixels, C of 1 or 3.
      num_classes: 0, or the number of sub-folders.
      split: "train" or "test".

    Raises:
      InputError: no such folder, no pictures in it, other classes, no test pictures.
    """
    name = f"folder:{argument}"
    train, _ = _splits(name, _existing(name, argument), split)
    chosen, files = list_pictures(argument, split)
    class_names: tuple[str, ...] = ()
    labels = np.zeros(len(files), np.int32)
    if num_classes:
        named = files if chosen == train else pictures_below(name, train)
        classes = ordered_classes(name, _classes_of(name, named))
        class_names = tuple(classes.values())
        check_classes(name, num_classes, class_names)
        tell_order(name, class_names)
        labels = _labels(name, files, list(classes))
    make = Pictures(chosen, tuple(files), image_shape)
    return kept_in_memory(
        OnDemand(name, image_shape, make, files.__getitem__, labels, class_names)
    )


def list_pictures(argument: str, split: str = "train") -> tuple[Path, list[str]]:
    """The folder that a split is read from, and its picture files, in order.

    Args:
      argument: the path behind folder:.
      split: "train" or "test".

    Raises:
      InputError: no such folder or split, or no pictures in it.
    """
    name = f"folder:{argument}"
    _, chosen = _splits(name, _existing(name, argument), split)
    files = pictures_below(name, chosen)
    if not files:
        raise SettingError(
            "dataset",
            name,
            f"no pictures in {chosen}; give a folder that holds "
            f"{', '.join(sorted(SUFFIXES))} files",
        )
    return chosen, files


def _existing(name: str, argument: str) -> Path:
    root = Path(argument).expanduser()
    if not argument or not root.is_dir():
        fault = "is no folder" if argument and root.exists() else "does not exist"
        raise SettingError(
            "dataset",
            name,
            f"{argument or 'PATH'} {fault}; give folder:PATH with the path of a folder "
            "of pictures",
        )
    return root


def _splits(name: str, root: Path, split: str) -> tuple[Path, Path]:
    """The folder that training reads, and the folder of a split."""
    held_out = [root / sub for sub in _HELD_OUT if (root / sub).is_dir()]
    if held_out and (root / "train").is_dir():
        return root / "train", held_out[0] if split == "test" else root / "train"
    if split == "test":
        raise SettingError(
            "dataset",
            name,
            f"no pictures are held out for testing; put them into {root / 'test'} and "
            f"the others into {root / 'train'}",
        )
    return root, root


def pictures_below(name: str, root: Path) -> list[str]:
    """Paths relative to root, with slashes, sorted."""

    def refuse(error: OSError) -> None:
        raise SettingError(
            "dataset",
            name,
            f"{error.filename} cannot be listed ({error.strerror}); allow it to be "
            "read or move it away",
        ) from error

    found: list[str] = []
    seen: set[Path] = set()
    for folder, subfolders, files in os.walk(root, onerror=refuse, followlinks=True):
        here = Path(folder)
        # Links may lead in a circle; sorted, the same folder is entered every time.
        subfolders[:] = sorted(sub for sub in subfolders if not sub.startswith("."))
        if here.resolve() in seen:
            subfolders.clear()
            continue
        seen.add(here.resolve())
        prefix = "" if here == root else f"{here.relative_to(root).as_posix()}/"
        found += [prefix + file for file in files if is_picture(file)]
    return sorted(found)


def is_picture(file: str) -> bool:
    return not file.startswith(".") and Path(file).suffix.lower() in SUFFIXES


def _classes_of(name: str, files: Iterable[str]) -> list[str]:
    """The first folder on the way to each file."""
    loose = [file for file in files if "/" not in file]
    if loose:
        raise SettingError(
            "dataset",
            name,
            f"{len(loose)} pictures lie outside any class folder (the first is "
            f"{loose[0]}); move them into sub-folders or set `num_classes=0`",
        )
    return [file.partition("/")[0] for file in files]


def _labels(name: str, files: list[str], folders: list[str]) -> np.ndarray:
    number = {folder: label for label, folder in enumerate(folders)}
    classes = _classes_of(name, files)
    unknown = sorted(set(classes) - set(number))
    if unknown:
        raise SettingError(
            "dataset",
            name,
            f"class {unknown[0]} is not among the classes of the training pictures; "
            "rename it or remove it",
        )
    return np.array([number[class_name] for class_name in classes], np.int32)
