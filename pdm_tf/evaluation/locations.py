"""Every way to name a set of pictures: what it is, before anything is opened."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pdm_tf.data.listing import SUFFIXES
from pdm_tf.data.sources import SHELF
from pdm_tf.data.stores import INFO
from pdm_tf.errors import SettingError

_EXPORTS = ("saved_model.pb", "model.xml")  # files of exports that are folders
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
        return Location(setting, given, "source", _as_prepared(name), split)
    path = Path(given).expanduser()
    if given.startswith("pretrained:"):
        return Location(setting, given, "model", given)
    if path.suffix.lower() in SUFFIXES and path.is_file():
        raise SettingError(setting, given, "a single picture; give a folder of them")
    if path.is_file():
        kind: Literal["npz", "model"] = "model" if path.suffix == ".tflite" else "npz"
        return Location(setting, given, kind, str(path))
    if path.is_dir():
        return _in_directory(setting, given, path)
    if Path(name).expanduser().is_dir():
        return Location(setting, given, "source", _as_prepared(f"folder:{name}"), split)
    raise SettingError(
        setting,
        given,
        "no such file, directory or source; give an npz, a folder of pictures, a "
        f"model, or one of {', '.join(SHELF)}",
    )


def _as_prepared(source: str) -> str:
    """A folder that is a prepared data set holds records, and sheets to look at."""
    kind, _, folder = source.partition(":")
    if kind == "folder" and (Path(folder).expanduser() / INFO).is_file():
        return f"tfds:{folder}"
    return source


def _in_directory(setting: str, given: str, path: Path) -> Location:
    if any((path / name).is_file() for name in _EXPORTS):
        return Location(setting, given, "model", str(path))
    is_model = any((path / name).is_file() for name in _MODELS)
    exported = (path / "export" / "saved_model.pb").is_file()
    if exported and not (is_model and _has_weights(path)):
        return Location(setting, given, "model", str(path / "export"))
    if is_model:  # of a run its newest weights, which its export may be older than
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
    if path.name == "samples" and (path.parent / "config.flags").is_file():
        raise SettingError(
            setting,
            given,
            f"grids that a training drew; give the run, {path.parent}, or a folder "
            "that sample.py filled",
        )
    return Location(setting, given, "source", _as_prepared(f"folder:{path}"))


def _has_weights(path: Path) -> bool:
    """Whether a model is more than the record of a run whose export is left."""
    record = (path / "config.flags").is_file()
    return not record or any((path / "checkpoints").glob("*.index"))
