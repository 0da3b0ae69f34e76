"""A method applied to a base: trained if it has an objective, written, opened again."""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pdm_tf import flags
from pdm_tf.assemble import lineage
from pdm_tf.assemble.methods import check_stacking, open_method
from pdm_tf.assemble.models import (
    OpenedModel,
    changed,
    known_base,
    open_model,
    read_added,
)
from pdm_tf.assemble.progress import Progress
from pdm_tf.assemble.settings import check_settings
from pdm_tf.assemble.training import open_pictures, train_objective
from pdm_tf.assemble.validating import load_best
from pdm_tf.config import (
    AveragingConfig,
    Config,
    LearningConfig,
    MonitoringConfig,
    TrainingConfig,
)
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.errors import SettingError
from pdm_tf.storage.arrays import write_arrays
from pdm_tf.storage.files import write_json
from pdm_tf.storage.locks import INSIDE, locked_place
from pdm_tf.storage.places import open_place
from pdm_tf.storage.reading import read_json
from pdm_tf.training.lock import LOCK
from pdm_tf.training.train_loop import Ending

LOCKS = {LOCK, INSIDE}  # what a command leaves that was killed before it wrote
BEGUN = "begun.json"  # the entry of a derivation that is not complete yet


def open_run(place: str) -> tuple[str, Denoiser]:
    """The record of a run as text, and its denoiser; see `Context.open_run`.

    Raises:
      InputError: no run, or a model that is more than one.
    """
    opened = open_model(place, "guide")
    if opened.lineage or opened.parts:
        raise SettingError("guide", place, "is no run; name the directory of one")
    return flags.to_flagfile(opened.settings), opened.denoiser


def derive(
    name: str,
    base: str | Path,
    out: str | Path,
    config: Any,
    note: Callable[[str], object] = print,
) -> Ending:
    """Makes a derived model, or goes on with one that was stopped.

    OUT/model.json appears last: with it the model is complete.

    Args:
      name: of the method.
      base: the model to derive from, see `open_model`.
      out: where the derived model goes.
      config: settings of the method, its Config.
      note: takes lines on what is going on.

    Returns:
      How it ended: true if complete, false if stopped, with everything saved.

    Raises:
      InputError: settings, base or a directory that do not fit each other.
    """
    directory, method = open_place("out", out), open_method(name)
    with locked_place("out", directory):
        return _derive(name, method, base, directory, config, note)


def _derive(
    name: str,
    method: Any,
    base: str | Path,
    directory: Path,
    config: Any,
    note: Callable[[str], object],
) -> Ending:
    opened = open_model(base, "base")
    for below in opened.lineage[-1:]:
        check_stacking(name, method.KIND, below["method"], below["kind"])
    if method.KIND == "quantized" and opened.denoiser.guidance_range is not None:
        remedy = "its kernels depend on w and cannot be rounded ahead; distil one w"
        raise SettingError("base", base, remedy)
    known = known_base(opened)
    entry = lineage.compose(name, method, config, str(base), known, directory)
    _refuse_others(directory, entry)
    if lineage.is_derived(directory):
        note(f"{directory} is complete")
        return Ending.COMPLETE
    training = training_of(opened.settings, config, directory)
    learner = replace(
        opened.settings,
        training=training,
        # Methods chose their rates for a constant one without decay of weights.
        learning=LearningConfig(),
        averaging=AveragingConfig(),
        monitoring=MonitoringConfig(),
    )
    check_settings(learner)
    names = opened.class_names
    progress = Progress(directory, lambda: write_json(directory / BEGUN, entry))
    context = Context(
        opened.settings,
        lambda: open_pictures(opened.settings, names),
        note=note,
        keep=progress.keep,
        kept=progress.kept,
        open_run=open_run,
        read_added=read_added,
    )
    derivation = method.derive(opened.denoiser, config, context)
    entry["sampling"] = json.loads(json.dumps(dict(derivation.sampling)))
    if derivation.facts:
        entry["facts"] = json.loads(json.dumps(dict(derivation.facts)))
    if derivation.objective is not None:
        ending = _train(derivation, learner, entry, names)
        if not ending:
            return ending
    if derivation.finish is not None:
        derivation = derivation._replace(denoiser=derivation.finish())
    _write(directory, entry, derivation, opened)
    progress.clear()
    return Ending.COMPLETE


def _refuse_others(directory: Path, entry: lineage.Entry) -> None:
    """Raises SettingError where something else lies in the directory."""
    there = directory / lineage.MANIFEST
    if not there.is_file():
        there = directory / BEGUN
    if not there.is_file():
        # A lock is left by a command that was stopped before it wrote anything.
        if directory.exists() and {f.name for f in directory.iterdir()} - LOCKS:
            raise SettingError(
                "out", directory, "holds something else; give a new or empty directory"
            )
        return
    found = _read_entry(there)
    for name in ("method", "settings", "base"):
        same = found.get(name) == entry[name]
        if name == "base" and isinstance(found.get(name), dict):
            same = lineage.same_base(found[name], entry[name])
        if not same:
            raise SettingError(
                "out",
                directory,
                f"holds a model of another {name} ({_difference(found, entry, name)}); "
                "give a new directory",
            )


def _read_entry(path: Path) -> lineage.Entry:
    """The entry in a directory, as far as it is one."""
    with contextlib.suppress(OSError, ValueError):
        found = read_json(path)
        if isinstance(found, dict):
            return found
    raise SettingError(
        "out",
        path.parent,
        f"its {path.name} cannot be read; give a new or empty directory",
    )


def _difference(found: lineage.Entry, entry: lineage.Entry, name: str) -> str:
    """The first difference of two entries, in words."""
    old, new = found.get(name), entry[name]
    if not isinstance(old, dict):
        return f"{old} and not {new}"
    for key in sorted(old | new):
        if old.get(key) != new.get(key):
            return f"{key} {old.get(key)} and not {new.get(key)}"
    return "unreadable"


def _train(
    derivation: Derivation,
    settings: Config,
    entry: lineage.Entry,
    class_names: tuple[str, ...],
) -> Ending:
    """Trains the variables of an objective; they end as their averages."""
    directory, objective = Path(settings.training.run_dir), derivation.objective
    assert objective is not None
    source = open_pictures(settings, class_names)
    ending = train_objective(
        objective,
        settings,
        source,
        derivation.denoiser,
        begin=lambda: write_json(directory / BEGUN, entry),
    )
    if ending:
        entry["trained"] = load_best(
            directory / "checkpoints",
            objective.variables,
            derivation.denoiser,
            changed(settings, entry),
            derivation.validation,
            source,
        )
    return ending


def training_of(settings: Config, config: Any, directory: Path) -> TrainingConfig:
    """How a derivation is trained: as its base was, but for what its method says.

    Args:
      settings: of the base's run.
      config: of the method; its fields with names of `TrainingConfig` count.
      directory: of the derived model.
    """
    shared = {field.name for field in fields(TrainingConfig)}
    own = {n: v for n, v in dataclasses.asdict(config).items() if n in shared}
    own |= {"run_dir": str(directory), "init_from": "", "export": False}
    return replace(settings.training, **{"microbatch": 0, **own})


def _write(
    directory: Path, entry: lineage.Entry, derivation: Derivation, base: OpenedModel
) -> None:
    """Writes what was added, and model.json last."""
    added = lineage.added_variables(derivation.denoiser, base.denoiser)
    write_json(directory / BEGUN, entry)  # so that a killed command may go on
    if added:
        arrays = {name: variable.numpy() for name, variable in added.items()}
        entry["weights"] = lineage.WEIGHTS
        entry["sha256"] = write_arrays(directory / lineage.WEIGHTS, arrays)
    entry["digest"] = OpenedModel(
        str(directory),
        derivation.denoiser,
        changed(base.settings, entry),
        (*base.lineage, entry),
        base.class_names,
        base.parts,
    ).digest
    lineage.write(directory, entry)
    (directory / BEGUN).unlink(missing_ok=True)
