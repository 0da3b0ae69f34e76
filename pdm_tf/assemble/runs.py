"""Run directory -> settings, denoiser, SavedModel."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pdm_tf import flags
from pdm_tf.assemble import splits
from pdm_tf.assemble.building import build_denoiser, named_variables
from pdm_tf.config import Config, ExportConfig, InputError
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.export.saved_model import export_saved_model
from pdm_tf.training.checkpoints import load_average, write_atomically

RECORD = "config.flags"


def write_settings(config: Config) -> None:
    """Writes the run's record, config.flags."""
    directory = Path(config.training.run_dir)
    directory.mkdir(parents=True, exist_ok=True)
    command = f"python train.py --flagfile={directory / RECORD}"
    header = f"The record of this run; resume it with\n{command}"
    write_atomically(directory / RECORD, flags.to_flagfile(config, header))


def read_settings(run_dir: str | Path) -> Config:
    """A run's settings, from its record.

    Raises:
      InputError: not a run directory.
    """
    record = Path(run_dir) / RECORD
    if not record.is_file():
        raise InputError(
            f"--run_dir={run_dir}: no {RECORD} there, so it is not the directory of a "
            "run; give the --run_dir that train.py was given"
        )
    (config,) = flags.parse(["", f"--flagfile={record}"], Config)
    return replace(config, training=replace(config.training, run_dir=str(run_dir)))


def restore(run_dir: str | Path) -> Denoiser:
    """The denoiser of a run, with its averaged weights, or that of a split.

    Args:
      run_dir: a run's directory, or a directory with a split.json.

    Raises:
      InputError: neither of these, or nothing saved in it yet.
    """
    if splits.is_split(run_dir):
        return splits.join(splits.read(run_dir), restore)
    config = read_settings(run_dir)
    denoiser = build_denoiser(config)
    load_average(Path(run_dir) / "checkpoints", named_variables(denoiser.network))
    return denoiser


def join_runs(run_dirs: Sequence[str], out: str | Path) -> Path:
    """Writes the manifest of a split of runs; returns its path.

    Raises:
      InputError: runs whose ranges leave gaps or overlap, or that do not fit.
    """
    parts = []
    for run_dir in run_dirs:
        training = read_settings(run_dir).training
        high = training.snr_high or math.inf
        parts.append(splits.Part(run_dir, training.snr_low, high))
    ordered = splits.check(parts, f"--parts={','.join(run_dirs)}")
    splits.join(ordered, restore)  # tried before it is written
    return splits.write(out, ordered)


def settings_of(run_dir: str | Path) -> Config:
    """The settings of a run; of a split, those of its first part."""
    if splits.is_split(run_dir):
        return settings_of(splits.read(run_dir)[0].run_dir)
    return read_settings(run_dir)


def export_run(
    run_dir: str | Path,
    export_dir: str | Path = "",
    samplers: Sequence[str] = ExportConfig.sampler,
    **changes: Any,
) -> Path:
    """Writes the SavedModel of a run or split; returns its directory.

    Args:
      run_dir: see `restore`.
      export_dir: where it goes; RUN_DIR/export if not given.
      samplers: names of those that it holds; the first is that of `sample`.
      **changes: fields of `SamplingConfig` that differ from the run's record.

    Raises:
      InputError: not a run directory, nothing saved in it yet, no such sampler.
    """
    directory = Path(export_dir) if export_dir else Path(run_dir) / "export"
    config = settings_of(run_dir)
    config = replace(config, sampling=replace(config.sampling, **changes))
    record = flags.to_flagfile(config)
    denoiser = restore(run_dir)
    export_saved_model(denoiser, directory, record, config.sampling, samplers)
    return directory
