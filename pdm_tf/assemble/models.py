"""Any way to name a model -> its denoiser, its settings, and how it was derived."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pdm_tf import pretrained
from pdm_tf.assemble import lineage, splits
from pdm_tf.assemble.class_names import read_class_names
from pdm_tf.assemble.guides import build_run
from pdm_tf.assemble.methods import open_method
from pdm_tf.assemble.runs import RECORD, read_settings, restore_run
from pdm_tf.config import Config
from pdm_tf.config.sealing import sealed_settings
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context
from pdm_tf.denoisers.identity import digest_model
from pdm_tf.errors import InputError, SettingError
from pdm_tf.serving.opening import is_export
from pdm_tf.storage.arrays import read_arrays
from pdm_tf.storage.locks import locked_place
from pdm_tf.storage.places import open_place

_MANIFESTS = (RECORD, lineage.MANIFEST, splits.OLD_MANIFEST)


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """A model with its weights.

    Attributes:
      path: as it was named.
      denoiser: samples, edits, is exported and derived from.
      settings: of the run that its weights come from; of a split, those of its first
        part. What a derivation changes in sampling is changed in them.
      lineage: content of each model.json that it was derived by, base first; empty
        for a run and a split.
      class_names: one for each label; empty without classes, or where nobody knows.
      parts: of a split, the content of its model.json; empty for others.
    """

    path: str
    denoiser: Denoiser
    settings: Config
    lineage: tuple[dict[str, Any], ...] = ()
    class_names: tuple[str, ...] = ()
    parts: tuple[dict[str, Any], ...] = ()

    @property
    def sealed(self) -> dict[str, Any]:
        """What its weights mean, see `config.sealing`."""
        sealed = sealed_settings(self.settings)
        return sealed | {"parts": list(self.parts)} if self.parts else sealed

    @cached_property
    def digest(self) -> str:
        """What it is known by, see `serving.description.describe`."""
        return digest_model(self.denoiser.variables, self.sealed, self.lineage)


def open_model(
    path: str | Path, setting: str = "model", above: tuple[Path, ...] = ()
) -> OpenedModel:
    """Opens a run, a split, a derived model or `pretrained:NAME`.

    Args:
      path: a directory, or `pretrained:NAME`.
      setting: the setting that names it, for messages.
      above: models that this one is a part or the base of.

    Raises:
      InputError: none of these, nothing saved in it yet, a damaged one, or one that is
        made of itself.
    """
    directory = locate(path, setting)
    _refuse_itself(directory, path, setting, above)
    within = (*above, directory.resolve())
    if lineage.is_derived(directory):
        return _open_derived(directory, path, within)
    if splits.is_split(directory):
        return _open_split(directory, path, within)
    settings = read_settings(directory, setting)
    names = read_class_names(directory, settings)
    denoiser = restore_run(directory, settings)
    return OpenedModel(str(path), denoiser, settings, class_names=names)


def locate(path: str | Path, setting: str = "model") -> Path:
    """The directory of a model.

    Raises:
      SettingError: no model there.
    """
    if pretrained.is_pretrained(path):
        return pretrained.locate(path, setting)
    directory = Path(path).expanduser()
    if any((directory / name).is_file() for name in _MANIFESTS):
        return directory
    if is_export(directory):
        raise SettingError(
            setting,
            path,
            "is an export, which serves to sample alone; name the model it was made of",
        )
    raise SettingError(
        setting,
        path,
        f"no {RECORD} there, so it is not the directory of a run, nor of a split or "
        "derived model; give the `run_dir` that train.py was given, or "
        f"{pretrained.PREFIX}NAME",
    )


def _open_split(
    directory: Path, path: str | Path, within: tuple[Path, ...]
) -> OpenedModel:
    parts = splits.read(directory)
    members = [open_model(part.run_dir, above=within) for part in parts]
    for part, member in zip(parts, members, strict=True):
        splits.refuse_changed_part(path, part, member.digest, _fingerprint(member))
    known = (
        part._replace(digest=member.digest)
        for part, member in zip(parts, members, strict=True)
    )
    return OpenedModel(
        str(path),
        splits.join(parts, [member.denoiser for member in members]),
        settings_of(parts[0].run_dir),
        class_names=members[0].class_names,
        parts=tuple(splits.identify(part) for part in known),
    )


def _fingerprint(model: OpenedModel) -> str:
    """What splits of before digests knew a part by."""
    return lineage.fingerprint(model.denoiser, ())


def _open_derived(
    directory: Path, path: str | Path, within: tuple[Path, ...]
) -> OpenedModel:
    entry = lineage.read(directory)
    base_path = lineage.base_of(directory, entry)
    base = open_model(base_path, above=within)
    lineage.refuse_changed_base(directory, entry, base_path, known_base(base))
    method = open_method(entry["method"])
    config = lineage.settings_from(method.Config, entry)
    facts = entry.get("facts", {})
    context = Context(base.settings, _no_pictures, restoring=True, facts=facts)
    context = replace(context, build_run=build_run)
    denoiser = method.derive(base.denoiser, config, context).denoiser
    added = lineage.added_variables(denoiser, base.denoiser)
    stored = {}
    if entry["weights"]:
        stored = read_arrays(directory / entry["weights"], entry["sha256"])
    lineage.assign(added, stored, directory / lineage.WEIGHTS)
    settings = changed(base.settings, entry)
    steps = (*base.lineage, entry)
    opened = OpenedModel(
        str(path), denoiser, settings, steps, base.class_names, base.parts
    )
    lineage.refuse_changed(directory, entry, opened.digest)
    return opened


def read_added(place: str) -> tuple[lineage.Entry, dict[str, Any]]:
    """What a derived model adds to its base, which need not be there.

    Args:
      place: its directory.

    Returns:
      The content of its model.json, and arrays by name.

    Raises:
      InputError: no derived model, or a damaged one.
    """
    directory = Path(place).expanduser()
    if not lineage.is_derived(directory):
        raise SettingError("adapter", place, "is not the directory of a derived model")
    entry = lineage.read(directory)
    if not entry["weights"]:
        return entry, {}
    return entry, dict(read_arrays(directory / entry["weights"], entry["sha256"]))


def known_base(base: OpenedModel) -> dict[str, str]:
    """What a derived model keeps of its base to know it again by."""
    old = lineage.fingerprint(base.denoiser, base.lineage)  # for readers of before
    return {"sha256": old, "digest": base.digest}


def _no_pictures() -> Any:
    raise InputError("a stored model is opened without the pictures it was made with")


def changed(settings: Config, entry: lineage.Entry) -> Config:
    """Settings of sampling as a derivation leaves them."""
    given = entry.get("sampling", {}).items()
    changes: dict[str, Any] = {
        n: tuple(v) if isinstance(v, list) else v for n, v in given
    }
    return replace(settings, sampling=replace(settings.sampling, **changes))


def restore(path: str | Path) -> Denoiser:
    """The denoiser of a model, see `open_model`."""
    return open_model(path).denoiser


def settings_of(path: str | Path, setting: str = "model") -> Config:
    """The settings of a model, without its weights; see `OpenedModel.settings`."""
    directory, entries = _run_below(path, setting)
    settings = read_settings(directory, setting)
    for entry in reversed(entries):
        settings = changed(settings, entry)
    return settings


def class_names_of(path: str | Path, setting: str = "model") -> tuple[str, ...]:
    """The names of a model's classes by label; see `OpenedModel.class_names`."""
    directory, _ = _run_below(path, setting)
    return read_class_names(directory, read_settings(directory, setting))


def _run_below(path: str | Path, setting: str) -> tuple[Path, list[lineage.Entry]]:
    """The run that a model comes from, and what was derived from it, latest first.

    Of a split it is the run of its first part.
    """
    directory, above = locate(path, setting), list[Path]()
    entries: list[lineage.Entry] = []
    while True:
        _refuse_itself(directory, path, setting, above)
        above.append(directory.resolve())
        if lineage.is_derived(directory):
            entries.append(lineage.read(directory))
            directory = locate(lineage.base_of(directory, entries[-1]))
        elif splits.is_split(directory):
            directory = locate(splits.read(directory)[0].run_dir)
        else:
            return directory, entries


def _refuse_itself(
    directory: Path, path: str | Path, setting: str, above: Sequence[Path]
) -> None:
    """Raises SettingError for a model that is a part or the base of itself."""
    if directory.resolve() in above:
        chain = " is made of ".join(map(str, (*above, directory.resolve())))
        raise SettingError(setting, path, f"is made of itself ({chain}); make it again")


def join_runs(run_dirs: Sequence[str], out: str | Path) -> Path:
    """Writes the manifest of a split of runs; returns its path.

    Raises:
      InputError: runs whose ranges leave gaps or overlap, or that do not fit.
    """
    out = open_place("out", out)
    with locked_place("out", out):
        return _join_runs(run_dirs, out)


def _join_runs(run_dirs: Sequence[str], out: Path) -> Path:
    splits.refuse_others(out)
    parts = []
    for run_dir in run_dirs:
        training = read_settings(run_dir, "parts").training
        high = training.snr_high or math.inf
        parts.append(splits.Part(run_dir, training.snr_low, high))
    ordered = splits.check(parts, "parts", ",".join(run_dirs))
    members = [open_model(part.run_dir) for part in ordered]
    splits.join(ordered, [member.denoiser for member in members])  # tried first
    known = [
        part._replace(sha256=_fingerprint(member), digest=member.digest)
        for part, member in zip(ordered, members, strict=True)
    ]
    return splits.write(out, known)
