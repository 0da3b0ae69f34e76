"""Snapshots of averages by length: written while training, put together afterwards."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pdm_tf.errors import SettingError
from pdm_tf.storage.arrays import ArrayFile, write_arrays
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.power_averages import Averaged, combine

FOLDER = "averages"
_NAME = re.compile(r"step_(\d+)_length_([\d.]+)\.safetensors")


class Snapshot(NamedTuple):
    """An average by length as it was after some steps."""

    path: Path
    step: int
    averaged: Averaged


def write_snapshots(
    run_dir: Path, averages: Mapping[str, MovingAverage], step: int
) -> None:
    """Writes averages, by the text of their lengths, after `step` finished steps."""
    for length, average in averages.items():
        path = run_dir / FOLDER / f"step_{step:06d}_length_{length}.safetensors"
        arrays = {name: weights.numpy() for name, weights in average.weights.items()}
        write_arrays(path, arrays, {"ema_every": str(average.every)})


def find_snapshots(run_dir: Path) -> list[Snapshot]:
    """The snapshots of a run, by step and length.

    Raises:
      SettingError: there are none.
    """
    folder, found = run_dir / FOLDER, []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if named := _NAME.fullmatch(path.name):
            step, length = int(named[1]), float(named[2])
            updates = step // int(ArrayFile(path).metadata["ema_every"])
            if updates:  # nothing is averaged yet before the first
                found.append(Snapshot(path, step, Averaged(updates, length)))
    if not found:
        raise SettingError(
            "run_dir",
            run_dir,
            "has no snapshots of averages; train with `ema_lengths=0.05,0.1`",
        )
    return found


def reconstruct(
    snapshots: list[Snapshot], length: float, step: int = 0
) -> Iterator[tuple[str, np.ndarray]]:
    """An average of another length, one variable after the other.

    Memory for a variable is enough, however many snapshots there are.

    Args:
      snapshots: of a run; those after `step` are left out.
      length: sigma_rel.
      step: of a snapshot, where the average ends; 0: the last.

    Yields:
      Name and average of each variable.

    Raises:
      SettingError: no snapshot of that step.
    """
    last = step or max(one.step for one in snapshots)
    kept = [one for one in snapshots if one.step <= last]
    if not kept or max(one.step for one in kept) != last:
        there = ", ".join(str(n) for n in sorted({one.step for one in snapshots}))
        raise SettingError("at_step", step, f"choose from {there}")
    updates = max(one.averaged.updates for one in kept)
    factors = combine([one.averaged for one in kept], Averaged(updates, length))
    files = [ArrayFile(one.path) for one in kept]
    for file in files:
        file.check()
    for name in files[0].shapes:
        terms = zip(factors, files, strict=True)
        total = sum(factor * file.read(name) for factor, file in terms)
        yield name, np.asarray(total, np.float32)
