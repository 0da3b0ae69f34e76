"""A run that goes on: what it keeps of its record, and what is refused to change."""

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pdm_tf.assemble.runs import RECORD, read_settings
from pdm_tf.config import Config
from pdm_tf.config.fitting import fitted
from pdm_tf.config.sealing import fixed_settings, list_changes, sealed_settings
from pdm_tf.errors import SettingError, as_text
from pdm_tf.training.checkpoint_files import numbers

# What belongs to this start of the command and not to the run.
_OF_THIS_START = {
    "devices",
    "download",
    "dry_run",
    "export",
    "microbatch",
    "remat",
    "run_dir",
    "strategy",
    "tpu",
}


def kept_settings(config: Config, given: Collection[str]) -> tuple[Config, list[str]]:
    """The settings with which a run goes on, where not all of them are given again.

    Args:
      config: settings as given, or their defaults.
      given: names of those that are given.

    Returns:
      The settings, those not given as in the run's record; and those of them that
      differ from their defaults, as "prediction=v".
    """
    saved = _record_of(config)
    if saved is None:
        return config, []
    kept: dict[str, dict[str, Any]] = {}
    said = []
    for room, name, old, _ in _differences(saved, config):
        if name in given or name in _OF_THIS_START:
            continue
        kept.setdefault(room, {})[name] = old
        if name not in fitted(1):
            said.append(f"{name}={as_text(old)}")
    rooms: dict[str, Any] = {
        room: replace(getattr(config, room), **changes)
        for room, changes in kept.items()
    }
    return replace(config, **rooms), said


def check_record(config: Config) -> list[str]:
    """Compares the settings of a run that goes on with its record.

    Returns:
      What changes and may, as "learning_rate 0.001 → 0.0001"; empty for a new run.

    Raises:
      SettingError: settings under which its weights would mean something else.
      InputError: its record is not as it was written.
    """
    saved, run_dir = _record_of(config), config.training.run_dir
    if saved is None:
        return []
    differing = list(_differences(saved, config))
    old, new = (fixed_settings(sealed_settings(c)) for c in (saved, config))
    changes = list_changes(old, new)
    if changes and numbers(Path(run_dir) / "checkpoints"):
        raise SettingError(
            "run_dir",
            run_dir,
            f"was trained with other settings: {', '.join(changes)}; leave them out, "
            "and the run goes on as it was, or give another `run_dir`",
        )
    return [_in_words(*d[1:]) for d in differing if d[1] not in _OF_THIS_START]


def _in_words(name: str, old: Any, now: Any) -> str:
    return f"{name} {as_text(old) or 'nothing'} → {as_text(now) or 'nothing'}"


def _record_of(config: Config) -> Config | None:
    """The settings in the record of a run directory; None where there is none."""
    run_dir = Path(config.training.run_dir)
    return read_settings(run_dir) if (run_dir / RECORD).is_file() else None


def _differences(saved: Config, config: Config) -> Iterator[tuple[str, str, Any, Any]]:
    """Room, name, old and new value of each setting that differs."""
    for room in dataclasses.fields(Config):
        before, now = getattr(saved, room.name), getattr(config, room.name)
        for field in dataclasses.fields(now):
            values = getattr(before, field.name), getattr(now, field.name)
            if as_text(values[0]) != as_text(values[1]):  # (2,) is 2
                yield room.name, field.name, *values
