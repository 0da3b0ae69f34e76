"""What solutions and measurements on disk are of; loads no TensorFlow."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pdm_tf.config.inverse import ProblemConfig, SolveConfig
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.storage.files import checksum

CIRCUIT, CIRCUIT_FILE = "circuit", "circuit.safetensors"  # kind; what holds one


def is_of_inverse(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is of this room."""
    return {"solver", "operator", "inputs"} <= manifest.keys()


def is_of_circuits(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is of a learnt circuit."""
    return manifest.get("kind") == CIRCUIT and "inputs" in manifest


def check(config: ProblemConfig, shared: SolveConfig) -> None:
    """Raises SettingError for what can be refused before anything slow is loaded."""
    if not shared.model:
        raise MissingSetting("model", "name the directory of a run, or pretrained:NAME")
    if bool(config.image) == bool(shared.measurement):
        raise SettingError(
            "image",
            config.image or None,
            "give a picture to measure, or a measurement, and not both",
            measurement=shared.measurement or None,
        )
    for name, path in {
        "image": config.image,
        "measurement": shared.measurement,
    }.items():
        if path:
            _content(name, path)


def describe(
    solver: str, config: ProblemConfig, others: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest: the solver, all settings, and the content of what is read.

    Raises:
      SettingError: a file that is not there.
    """
    settings = {**asdict(config), **others}
    files = {n: settings.pop(n, "") for n in ("image", "measurement")}
    files |= {f"{n} of operator": p for n, p in files_of(config.operator).items()}
    if settings.get("circuit"):
        files["circuit"] = str(Path(settings.pop("circuit")) / CIRCUIT_FILE)
    settings.pop("out")
    return {
        "solver": solver,
        **{n: list(v) if isinstance(v, tuple) else v for n, v in settings.items()},
        "inputs": {name: _content(name, path) for name, path in files.items() if path},
    }


def files_of(text: str) -> dict[str, str]:
    """The files that an operator reads: its name -> file."""
    parts = (part.partition(":") for part in text.split("+"))
    return {name: rest for name, _, rest in parts if name == "inpaint" and rest}


def _content(name: str, path: str) -> str:
    if not Path(path).is_file():
        raise SettingError(name.rpartition(" ")[2], path, "no such file")
    return checksum(Path(path))
