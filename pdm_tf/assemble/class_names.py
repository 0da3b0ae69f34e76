"""The names of a run's classes, which its checkpoints keep with their pictures."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from pdm_tf.config import Config
from pdm_tf.data.digits import NAMES
from pdm_tf.errors import InputError
from pdm_tf.storage.files import write_json
from pdm_tf.storage.reading import read_json
from pdm_tf.training import manifest as manifests
from pdm_tf.training.checkpoint_files import LATEST, numbers

_NAMES = "classes.json"


def read_class_names(run_dir: Path | str, settings: Config) -> tuple[str, ...]:
    """One name for each label; empty without classes, or where nobody knows.

    Args:
      run_dir: directory of a run, or where one is to be.
      settings: of the run.
    """
    names = _written(Path(run_dir)) or _recorded(Path(run_dir) / "checkpoints")
    if not names:  # such as a model of the package, without checkpoints
        names = NAMES if settings.data.dataset == "mnist" else ()
    return names if len(names) == settings.network.num_classes else ()


def write_class_names(run_dir: Path, names: Sequence[str]) -> None:
    """Keeps the names of a run that has no checkpoints, if there are any."""
    if names:
        write_json(run_dir / _NAMES, {"classes": list(names)})


def _written(run_dir: Path) -> tuple[str, ...]:
    with contextlib.suppress(OSError, ValueError, TypeError, InputError):
        return tuple(map(str, read_json(run_dir / _NAMES)["classes"]))
    return ()


def _recorded(checkpoints: Path) -> tuple[str, ...]:
    files = [f"ckpt-{number}.json" for number in numbers(checkpoints)]
    for file in (LATEST, *files):
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            manifest = manifests.read(checkpoints / file)
            return tuple(map(str, manifest["data"].get("classes", ())))
    return ()
