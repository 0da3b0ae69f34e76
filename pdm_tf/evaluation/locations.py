"""Every way to name a set of pictures: what it is, before anything is opened."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from pdm_tf.data.folder import SUFFIXES
from pdm_tf.data.sources import SHELF
from pdm_tf.errors import SettingError

_SHAPES = {"mnist": (32, 32, 1), "photos": (64, 64, 3)}  # unless another is asked for
_MODELS = ("config.flags", "split.json", "model.json")  # files that make one


@dataclass(frozen=True)
class Location:
    """Where a set of pictures is.

    Attributes:
      setting: that names it, for messages.
      given: its value, as the user wrote it.
      kind: an npz, a model to sample from, or a source of data.
      path: file, directory, or name of a source.
      split: of a source.
    """

    setting: str
    given: str
    kind: Literal["npz", "model", "source"]
    path: str
    split: str = "train"

    def error(self, remedy: str) -> SettingError:
        """That something is wrong with it, in one line."""
        return SettingError(self.setting, self.given, remedy)


def locate(setting: str, given: str) -> Location:
    """Finds out what the user means.

    Raises:
      SettingError: nothing that is known.
    """
    name, split = given, "train"
    head, at, tail = given.rpartition("@")
    if at and tail in ("train", "test"):
        name, split = head, tail
    if name.partition(":")[0] in SHELF:
        return Location(setting, given, "source", name, split)
    path = Path(given).expanduser()
    if given.startswith("pretrained:"):
        return Location(setting, given, "model", given)
    if path.is_file():
        kind: Literal["npz", "model"] = "model" if path.suffix == ".tflite" else "npz"
        return Location(setting, given, kind, str(path))
    if path.is_dir():
        return _in_directory(setting, given, path)
    if Path(name).expanduser().is_dir():
        return Location(setting, given, "source", f"folder:{name}", split)
    raise SettingError(
        setting,
        given,
        "no such file, directory or source; give an npz, a folder of pictures, a "
        f"model, or one of {', '.join(SHELF)}",
    )


def _in_directory(setting: str, given: str, path: Path) -> Location:
    for model in (path, path / "export"):  # an export itself, or a run's
        if (model / "saved_model.pb").is_file():
            return Location(setting, given, "model", str(model))
    if any((path / name).is_file() for name in _MODELS):
        return Location(setting, given, "model", str(path))
    if (path / "samples.npz").is_file():  # of sample.py, with a grid beside it
        return Location(setting, given, "npz", str(path / "samples.npz"))
    if (path / ".parts").is_dir():
        raise SettingError(
            setting,
            given,
            "its sampling is not complete; repeat the command of sample.py that began "
            "it",
        )
    return Location(setting, given, "source", f"folder:{path}")


def natural_shape(location: Location) -> tuple[int, ...]:
    """The shape to read a source at when nothing else decides."""
    kind, _, folder = location.path.partition(":")
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
    raise location.error(
        "no picture that can be read; give a folder of pictures, or `image_shape`"
    )
