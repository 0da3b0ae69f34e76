"""Any folder of pictures on disk."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pdm_tf.config.conditioning import Conditions
from pdm_tf.data.classes import check_classes, ordered_classes, tell_order
from pdm_tf.data.condition_file import condition_rows, read_table
from pdm_tf.data.decoding import Conversions
from pdm_tf.data.held_out import Placed, held_out, placed
from pdm_tf.data.images import read_picture
from pdm_tf.data.label_file import LABEL_FILE, MAX_BYTES, Labels, read_labels
from pdm_tf.data.listing import SUFFIXES, Listing, list_folder, tell_left_out
from pdm_tf.data.reading import InMemory, OnDemand, kept_in_memory
from pdm_tf.errors import SettingError, printable
from pdm_tf.storage.reading import is_regular, read_regular


@dataclass(frozen=True)
class Pictures:
    """Picture files below one folder, in sorted order."""

    root: Path
    files: tuple[str, ...]  # relative to root
    image_shape: tuple[int, int, int]
    conversions: Conversions = field(default_factory=Conversions)

    def __call__(self, index: int) -> np.ndarray:
        """uint8 [H, W, C]; InputError where the file is no picture."""
        path = self.root / self.files[index]
        return read_picture(path, self.image_shape, self.conversions)


def open_folder(
    argument: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    split: str,
    conditions: Conditions | None = None,
) -> InMemory | OnDemand:
    """Every jpg, png, webp and bmp below a folder, sorted by path.

    What is hidden, of the system or made by pdm_tf is left out (see `listing`), links
    are followed. With classes, the sub-folders at the first level are the classes, by
    name or number; or the labels are those of a dataset.json. Folders called test, val,
    valid or validation are held out (see `held_out`); where one called train lies
    beside them, classes lie within them, train's deciding on names and labels. Where
    nothing is held out the test split is refused rather than taken from among the
    others. What is left out is said on stderr. Several labels a picture, and
    attributes, are read from a metadata.csv or dataset.json, see `condition_file`.

    Up to 1 GiB of decoded pictures is kept in memory and read at once. Broken
    pictures are then left out; in a larger folder, where they are met only on the
    way, their successors stand in. Both name them on stderr and in `skipped`.

    Args:
      argument: the path.
      image_shape: (H, W, C) in pixels, C of 1 or 3.
      num_classes: 0, or the number of classes.
      split: "train" or "test".
      conditions: what the rows hold that are read in the place of labels; None: one
        class each.

    Raises:
      InputError: no such folder, no pictures in it, other classes or attributes, no
        test pictures.
    """
    name = f"folder:{argument}"
    root = _existing(name, argument)
    listing = list_folder(name, root)
    everything = placed(listing.files)
    train = [one for one in everything if one.split == "train"]
    chosen = _chosen(name, root, everything, split)
    _tell(name, listing, everything if split == "train" else ())
    class_names: tuple[str, ...] = ()
    labels = np.zeros(len(chosen), np.int32)
    if conditions:
        class_names, labels = _rows(name, root, conditions, everything, chosen)
    elif num_classes:
        class_names, numbers = _labels(name, root, num_classes, train, chosen)
        labels = np.array(numbers, np.int32)
    files = tuple(one.file for one in chosen)
    make = Pictures(root, files, image_shape)
    return kept_in_memory(
        OnDemand(name, image_shape, make, files.__getitem__, labels, class_names)
    )


def read_rows(argument: str, conditions: Conditions, split: str) -> np.ndarray:
    """The conditions of a folder's pictures, float32 [N, n]; no picture is read.

    Raises:
      InputError: see `open_folder`.
    """
    name = f"folder:{argument}"
    root = _existing(name, argument)
    everything = placed(list_folder(name, root).files)
    chosen = _chosen(name, root, everything, split)
    return _rows(name, root, conditions, everything, chosen)[1]


def list_pictures(argument: str, split: str = "train") -> tuple[Path, list[str]]:
    """The folder that a split is read from, and its picture files, in order.

    Args:
      argument: the path behind folder:.
      split: "train" or "test".

    Raises:
      InputError: no such folder or split, or no pictures in it.
    """
    name = f"folder:{argument}"
    root = _existing(name, argument)
    everything = placed(list_folder(name, root).files)
    return root, [one.file for one in _chosen(name, root, everything, split)]


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


def _chosen(
    name: str, root: Path, everything: list[Placed], split: str
) -> list[Placed]:
    """The pictures of a split, of which there are some."""
    train = [one for one in everything if one.split == "train"]
    test = held_out(everything)
    if split == "test" and everything and not test:
        raise SettingError(
            "dataset",
            name,
            f"no pictures are held out for testing; put them into {root / 'test'} and "
            f"the others into {root / 'train'}",
        )
    chosen = test if split == "test" else train
    if chosen:
        return chosen
    fault = f"no pictures in {root}"
    if everything:
        folder = everything[0].file.partition("/")[0]
        fault = f"all pictures in {root} are held out for testing ({printable(folder)})"
    raise SettingError(
        "dataset",
        name,
        f"{fault}; give a folder that holds {', '.join(sorted(SUFFIXES))} files",
    )


def _tell(name: str, listing: Listing, everything: "list[Placed] | tuple[()]") -> None:
    """Says what is not read, once."""
    others = {
        one.folder: "held out" if one.split else "beside the training pictures"
        for one in everything
        if one.split != "train"
    }
    said = tell_left_out(name, listing.left_out | others)
    if said:
        print(said, file=sys.stderr)


def _labels(
    name: str, root: Path, num_classes: int, train: list[Placed], chosen: list[Placed]
) -> tuple[tuple[str, ...], list[int]]:
    """Names of the classes, which the training pictures decide on, and labels."""
    stored = read_label_file(name, root)
    if stored is not None:
        check_classes(name, num_classes, stored.class_names)
        files = [one.file for one in chosen]
        return stored.class_names, stored.of(files, _refusing(name))
    classes = ordered_classes(name, _classes_of(name, train))
    class_names = tuple(classes.values())
    check_classes(name, num_classes, class_names)
    tell_order(name, class_names)
    number = {folder: label for label, folder in enumerate(classes)}
    folders = _classes_of(name, chosen)
    unknown = sorted(set(folders) - set(number))
    if unknown:
        raise SettingError(
            "dataset",
            name,
            f"class {printable(unknown[0])} is not among the classes of the training "
            "pictures; rename it or remove it",
        )
    return class_names, [number[folder] for folder in folders]


def _rows(
    name: str,
    root: Path,
    conditions: Conditions,
    everything: list[Placed],
    chosen: list[Placed],
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the labels, and rows of conditions: float32 [N, n]."""
    refuse, count = _refusing(name), conditions.num_classes
    class_names: tuple[str, ...] = ()
    numbers: list[int] | None = None
    if count and not conditions.several:
        train = [one for one in everything if one.split == "train"]
        class_names, numbers = _labels(name, root, count, train, chosen)
    files = [one.file for one in chosen]
    every = [one.file for one in everything]
    table = read_table(root, refuse)
    names, rows = condition_rows(table, conditions, files, every, refuse, numbers)
    return class_names or names, rows


def _refusing(name: str) -> Callable[[str], SettingError]:
    return lambda remedy: SettingError("dataset", name, remedy)


def read_label_file(name: str, root: Path) -> Labels | None:
    """The labels of the dataset.json in a folder, if there is one."""
    path = root / LABEL_FILE
    if not is_regular(path):
        return None
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise _refusing(name)(
            f"{LABEL_FILE} cannot be read ({error.strerror}); mend or remove it"
        ) from error
    return read_labels(content, _refusing(name))


def _classes_of(name: str, files: list[Placed]) -> list[str]:
    """The first folder on the way to each file, but for that of its split."""
    loose = [one.file for one in files if "/" not in one.rest]
    if loose:
        raise SettingError(
            "dataset",
            name,
            f"{len(loose)} pictures lie outside any class folder (the first is "
            f"{printable(loose[0])}); move them into sub-folders or set "
            "`num_classes=0`",
        )
    return [one.rest.partition("/")[0] for one in files]
