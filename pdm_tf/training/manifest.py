"""What a checkpoint says of itself: versions, step, variables, pictures, checksums.

Every checkpoint ckpt-N has its own ckpt-N.json. It holds the SHA-256 of its files and,
under "seal", that of its own text. manifest.json is a copy of the newest.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from pdm_tf.config.sealing import list_changes
from pdm_tf.errors import SettingError
from pdm_tf.storage.files import checksum
from pdm_tf.storage.reading import read_regular
from pdm_tf.version import __version__

_LARGEST = 2**28  # bytes of one that is read
FORMAT = 2  # of the checkpoint; grows when older code could misread a newer one

Manifest = dict[str, Any]


def describe(variables: Mapping[str, tf.Variable]) -> list[list]:
    """[path, shape, dtype] of every variable."""
    return [
        [path, v.shape.as_list(), v.dtype.name] for path, v in sorted(variables.items())
    ]


def compose(
    step: int,
    variables: Mapping[str, tf.Variable],
    data: Mapping[str, Any],
    files: Mapping[str, str],
    known: Mapping[str, Any] | None = None,
) -> Manifest:
    """The manifest of a checkpoint.

    Args:
      step: optimiser steps finished.
      variables: the network's, by path.
      data: what the network is trained on, see `refuse_other_data`.
      files: SHA-256 of each file.
      known: what the averaged weights mean and are known by, "sealed" and "digest",
        see `denoisers.identity`, and which "averages" there are beside them.
    """
    return {
        "format": FORMAT,
        "step": step,
        "pdm_tf": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "data": dict(data),
        "files": dict(files),
        **(known or {}),
        "variables": describe(variables),
    }


def _seal(manifest: Manifest) -> str:
    unsealed = {name: value for name, value in manifest.items() if name != "seal"}
    text = json.dumps(unsealed, sort_keys=True)
    return checksum(text.encode())


def to_text(manifest: Manifest) -> str:
    """JSON, sealed, so that no changed letter goes unnoticed."""
    return json.dumps({**manifest, "seal": _seal(manifest)}, indent=1)


def from_text(text: str) -> Manifest:
    """What `to_text` wrote, or an older version without seal (format 1).

    Raises:
      ValueError: it was changed since, or never was a manifest.
    """
    try:
        manifest = json.loads(text)
    except RecursionError:
        raise ValueError("nested more deeply than can be read") from None
    if not isinstance(manifest, dict) or "variables" not in manifest:
        raise ValueError("not a manifest")
    if manifest.get("format") != 1 and manifest.get("seal") != _seal(manifest):
        raise ValueError("its text was changed")
    if manifest.get("format") in range(FORMAT + 1):  # else newer, for `refuse_newer`
        _check_form(manifest)
    elif type(manifest.get("format")) is not int:
        raise ValueError("format is no number")
    return manifest


def read(path: Path) -> Manifest:
    """A manifest in a file; ValueError and OSError as of `from_text` and of reading."""
    return from_text(read_regular(path, _LARGEST).decode("utf-8"))


def _check_form(manifest: Manifest) -> None:
    """Raises ValueError for values that are not of their kinds."""
    kinds = {"step": int, "files": dict, "data": dict, "sealed": dict}
    kinds["averages"] = dict
    for name, kind in kinds.items():
        if type(manifest.get(name, kind())) is not kind:
            raise ValueError(f"{name} {str(manifest[name])[:40]!r} is not of its kind")
    files = manifest.get("files") or {}
    for name, digest in files.items():
        if not isinstance(digest, str) or Path(name).name != name:
            raise ValueError("its files are not those of a checkpoint")
    for entry in manifest["variables"]:
        if not (isinstance(entry, list) and len(entry) == 3):
            raise ValueError("its variables are not of their kind")
        if not isinstance(entry[0], str) or not isinstance(entry[1], list):
            raise ValueError("its variables are not of their kind")


def refuse_newer(manifest: Manifest, run_dir: Path) -> None:
    """Raises SettingError if a newer pdm_tf wrote the checkpoint."""
    if manifest["format"] > FORMAT:
        raise SettingError(
            "run_dir",
            run_dir,
            f"written by a newer pdm_tf (format {manifest['format']}, this one reads "
            f"{FORMAT}); update pdm_tf",
        )


def refuse_other_network(
    manifest: Manifest, variables: Mapping[str, tf.Variable], run_dir: Path
) -> None:
    """Raises SettingError if a checkpoint holds other variables than these."""
    saved = {path: (shape, dtype) for path, shape, dtype in manifest["variables"]}
    built = {path: (shape, dtype) for path, shape, dtype in describe(variables)}
    different = sorted(
        path for path in saved | built if saved.get(path) != built.get(path)
    )
    if different:
        listed = "; ".join(
            f"{path} saved {saved.get(path, ['nothing'])[0]}, built "
            f"{built.get(path, ['nothing'])[0]}"
            for path in different[:5]
        )
        raise SettingError(
            "run_dir",
            run_dir,
            f"its checkpoint is of another network; {len(different)} variables differ: "
            f"{listed}{' …' if len(different) > 5 else ''}; give its own network flags "
            f"(see {run_dir / 'config.flags'}) or another `run_dir`",
        )


def refuse_other_settings(
    manifest: Manifest, sealed: Mapping[str, Any], run_dir: Path
) -> None:
    """Raises SettingError if a checkpoint's weights mean something else than is said.

    Args:
      manifest: of the checkpoint; one without a word on settings passes.
      sealed: what is said, see `config.sealing`; those it does not hold pass.
      run_dir: for the error.
    """
    saved = manifest.get("sealed") or {}
    changes = list_changes(saved, sealed, saved.keys() & sealed.keys())
    if changes:
        raise SettingError(
            "run_dir",
            run_dir,
            f"its checkpoint was trained with other settings: {', '.join(changes)}; "
            f"give those of the run (see {run_dir / 'config.flags'}) or another "
            "`run_dir`",
        )


def refuse_other_data(
    manifest: Manifest, data: Mapping[str, Any], run_dir: Path
) -> None:
    """Raises SettingError if a checkpoint learnt from other pictures than these.

    Args:
      manifest: of the checkpoint; one without a word on data passes.
      data: name, number of pictures, classes, and a probe of some pictures. Where all
        but the name agree, the data set was moved; where all but the probe agree, a
        decoder changed.
      run_dir: for the error.
    """
    saved = manifest.get("data") or {}
    if not saved or not data:
        return
    different = [name for name in data if saved.get(name) != data[name]]
    if different in ([], ["name"], ["probe"]):
        return
    listed = "; ".join(
        f"{name} saved {saved.get(name)}, given {data[name]}" for name in different
    )
    raise SettingError(
        "run_dir",
        run_dir,
        f"its checkpoint learnt from another data set: {listed}; give its own "
        f"`dataset` (see {run_dir / 'config.flags'}), or start a new run from it with "
        f"`init_from={run_dir}` and another `run_dir`",
    )
