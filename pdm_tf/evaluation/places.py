"""Every way to name a set of pictures on the command line."""

import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pdm_tf.config import InputError
from pdm_tf.data.folder import SUFFIXES
from pdm_tf.data.sources import SHELF

_SHAPES = {"mnist": (32, 32, 1), "photos": (64, 64, 3)}  # unless another is asked for


@dataclass(frozen=True)
class Place:
    """Where a side's pictures are.

    Attributes:
      flag: "samples" or "reference".
      given: as the user wrote it.
      kind: "npz", "SavedModel" or "source".
      path: file, directory, or name of a source.
      split: of a source.
    """

    flag: str
    given: str
    kind: str
    path: str
    split: str = "train"


def locate(flag: str, given: str) -> Place:
    """Finds out what the user means.

    Raises:
      InputError: nothing that is known.
    """
    name, split = given, "train"
    head, at, tail = given.rpartition("@")
    if at and tail in ("train", "test"):
        name, split = head, tail
    if name.partition(":")[0] in SHELF:
        return Place(flag, given, "source", name, split)
    path = Path(given).expanduser()
    if path.is_file():
        return Place(flag, given, "npz", str(path))
    if path.is_dir():
        return _in_directory(flag, given, path)
    if Path(name).expanduser().is_dir():
        return Place(flag, given, "source", f"folder:{name}", split)
    raise InputError(
        f"--{flag}={given}: no such file, directory or source; give an npz, a folder "
        f"of pictures, a SavedModel, or one of {', '.join(SHELF)}"
    )


def _in_directory(flag: str, given: str, path: Path) -> Place:
    for model in (path, path / "export"):  # an export itself, or a run
        if (model / "saved_model.pb").is_file():
            return Place(flag, given, "SavedModel", str(model))
    if (path / "config.flags").is_file():
        raise InputError(
            f"--{flag}={given}: a run without a SavedModel; write one with python -m "
            f"pdm_tf.export --run_dir={given}"
        )
    if (path / "samples.npz").is_file():  # of sample.py, with a grid beside it
        return Place(flag, given, "npz", str(path / "samples.npz"))
    if (path / ".parts").is_dir():
        raise InputError(
            f"--{flag}={given}: its sampling is not complete; repeat the command of "
            "sample.py that began it"
        )
    return Place(flag, given, "source", f"folder:{path}")


def natural_shape(place: Place) -> tuple[int, ...]:
    """The shape to read a source at when nothing else decides."""
    kind, _, folder = place.path.partition(":")
    if kind in _SHAPES:
        return _SHAPES[kind]
    for directory, below, files in os.walk(Path(folder).expanduser(), followlinks=True):
        below.sort()
        for name in sorted(files):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                try:
                    with Image.open(Path(directory) / name) as image:
                        grey = image.mode in ("1", "L", "I;16")
                        return image.height, image.width, 1 if grey else 3
                except OSError:
                    continue
    raise InputError(
        f"--{place.flag}={place.given}: no picture that can be read; give a folder of "
        "pictures, or --image_shape"
    )
