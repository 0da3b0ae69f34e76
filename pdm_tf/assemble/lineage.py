"""How a model was derived: model.json, and the checksum that ties it to its base.

{"format": 1, "pdm_tf": "0.2.0", "kind": "cached", "method": "deepcache",
 "paper": "…", "digest": "…",
 "base": {"path": "../mnist", "sha256": "…", "digest": "…"},
 "settings": {"every": 3}, "sampling": {},
 "weights": "weights.safetensors", "sha256": "…"}

A relative path counts from the directory of model.json, so that a model can be moved
with its base. "weights" holds what the method added and nothing of the base; it is null
where nothing was added. "sampling" are settings of sampling that the method changes;
"facts", where a method has any, is plain data that it needs to make its variables.
"digest" is what the model is known by, and that of its base (`denoisers.identity`);
the base's "sha256" is what it was known by before, and all that older files have.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from pdm_tf import pretrained
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.errors import InputError
from pdm_tf.storage.digests import is_whole, sealed
from pdm_tf.storage.files import write_json
from pdm_tf.storage.reading import read_json
from pdm_tf.version import __version__

MANIFEST = "model.json"
WEIGHTS = "weights.safetensors"
PLACES = ("base", "parts")  # keys with paths, which may be written anew
FORMAT = 1  # grows when older code could misread a newer file

Entry = dict[str, Any]  # content of a model.json
_KEYS = {"method", "settings", "weights", "sha256"}


def is_derived(directory: Path) -> bool:
    """Whether a directory holds a derived model that is complete."""
    return (directory / MANIFEST).is_file() and "method" in read(directory)


def compose(
    name: str,
    method: Any,
    config: Any,
    base_path: str,
    known: Mapping[str, str],
    out: Path,
) -> Entry:
    """The entry of a model before its weights are known.

    Args:
      name: of the method.
      method: its module.
      config: its settings.
      base_path: as the base was named.
      known: what the base is known again by, see `models.known_base`.
      out: the model's directory.
    """
    return {
        "format": FORMAT,
        "pdm_tf": __version__,
        "kind": method.KIND,
        "method": name,
        "paper": method.PAPER,
        "base": {"path": _relative(base_path, out), **known},
        "settings": json.loads(json.dumps(dataclasses.asdict(config))),
        "sampling": {},
        "weights": None,
        "sha256": None,
        "digest": None,
    }


def write(directory: Path, entry: Entry) -> None:
    """Writes model.json: with this a model is complete."""
    write_json(directory / MANIFEST, sealed(entry, *PLACES))


def read(directory: Path) -> Entry:
    """The entry of a derived model or of a split.

    Raises:
      InputError: damaged, or of a newer version.
    """
    path = directory / MANIFEST
    try:
        entry = read_json(path)
        if not is_whole(entry, *PLACES):
            raise ValueError("its text was changed")
        known = int(entry["format"]) <= FORMAT
        if known:
            _check(entry)
    except (OSError, ArithmeticError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error!r}); derive the model again, or copy "
            "the directory again"
        ) from None
    if not known:
        raise InputError(
            f"{path}: format {entry['format']}, of a newer pdm_tf; update pdm_tf"
        )
    return entry


def _check(entry: Entry) -> None:
    """Raises KeyError or TypeError for an entry that is not of its form."""
    if entry["kind"] == "split":
        list(entry["parts"])
        return
    missing = _KEYS - set(entry)
    if missing:
        raise KeyError(*missing)
    base = entry["base"]
    for text in (entry["kind"], entry["method"], base["path"], base["sha256"]):
        if not isinstance(text, str):
            raise TypeError(text)
    dict(entry["settings"])
    dict(entry.get("sampling", {}))
    dict(entry.get("facts", {}))


def base_of(directory: Path, entry: Entry) -> str:
    """Where the base of a derived model lies.

    Raises:
      InputError: it does not.
    """
    path = entry["base"]["path"]
    if pretrained.is_pretrained(path):
        return path
    base = Path(os.path.normpath(directory / path))
    if not base.is_dir() or base.resolve() == directory.resolve():
        raise InputError(
            f"{directory}: its base {base} is not there; move both together, or write "
            f"where it is into {directory / MANIFEST}"
        )
    return str(base)


def settings_from(config: type, entry: Entry) -> Any:
    """A method's settings, as its Config holds them.

    Raises:
      InputError: a setting that it does not have.
    """
    fields = {field.name for field in dataclasses.fields(config)}
    unknown = sorted(set(entry["settings"]) - fields)
    if unknown:
        raise InputError(
            f"{MANIFEST}: {entry['method']} has no setting {', '.join(unknown)} here; "
            "update pdm_tf"
        )
    given = entry["settings"].items()
    return config(**{n: tuple(v) if isinstance(v, list) else v for n, v in given})


def fingerprint(denoiser: Denoiser, lineage: Sequence[Entry]) -> str:
    """SHA-256 of what a model computes with: variables by name, methods, settings.

    It is that of the weights and not of the files that they came from: a run that was
    trained on is another base, while a checkpoint written again is the same.
    """
    found = hashlib.sha256()
    for name, variable in sorted(denoiser.variables.items()):
        array = variable.numpy()
        found.update(f"{name} {array.shape} {array.dtype.str}\n".encode())
        found.update(array.tobytes())
    steps = [[entry["method"], entry["settings"]] for entry in lineage]
    found.update(json.dumps(steps, sort_keys=True).encode())
    return found.hexdigest()


def same_base(saved: Mapping[str, str], found: Mapping[str, str]) -> bool:
    """Whether a base is the one that was kept, wherever it lies now."""
    name = "digest" if saved.get("digest") and found.get("digest") else "sha256"
    return saved.get(name) == found.get(name)


def refuse_changed(directory: Path, entry: Entry, found: str) -> None:
    """Raises InputError for a derived model that is not what it was when written."""
    if entry.get("digest") not in (None, "", found):
        raise InputError(
            f"{directory / MANIFEST}: says other settings than the model was made "
            "with; copy the directory again, or derive the model again"
        )


def refuse_changed_base(
    directory: Path, entry: Entry, base: str, found: Mapping[str, str]
) -> None:
    """Raises InputError for a base that is not the one that was derived from."""
    if not same_base(entry["base"], found):
        raise InputError(
            f"{directory}: its base {base} has other weights or settings than it was "
            "derived from; put the base back as it was, or derive again with another "
            "directory"
        )


def added_variables(derived: Denoiser, base: Denoiser) -> dict[str, tf.Variable]:
    """The variables that a derived model has beyond those of its base, by name."""
    held = {id(variable) for variable in base.variables.values()}
    return {n: v for n, v in derived.variables.items() if id(v) not in held}


def assign(
    variables: Mapping[str, tf.Variable], arrays: Mapping[str, Any], path: Path
) -> None:
    """Gives variables the values that were stored under their names.

    Raises:
      InputError: values of other variables.
    """
    wanted = {name: tuple(v.shape) for name, v in variables.items()}
    if wanted != {name: array.shape for name, array in arrays.items()}:
        raise InputError(
            f"{path}: holds other variables than this version of pdm_tf makes of these "
            "settings; derive the model again"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _relative(base_path: str, out: Path) -> str:
    if pretrained.is_pretrained(base_path):
        return base_path
    return os.path.relpath(Path(base_path).expanduser().resolve(), out.resolve())
