"""A run that would begin at step 0 where there are traces of one is refused."""

import contextlib
import re
from pathlib import Path

import tensorflow as tf
from tensorflow.core.util.event_pb2 import Event

from pdm_tf.errors import SettingError
from pdm_tf.storage.reading import is_regular, read_json
from pdm_tf.training.checkpoint_files import traces
from pdm_tf.training.watchdog import REPORT

_GRID = re.compile(r"step_(\d+)\.png")


def refuse_restart(run_dir: Path, save_every: int) -> None:
    """Raises SettingError where a run was, of which no checkpoint is left.

    A training that was killed before its first checkpoint may begin again.

    Args:
      run_dir: the run's directory.
      save_every: steps between two checkpoints.
    """
    there = [*traces(run_dir / "checkpoints"), *_made(run_dir, save_every)]
    if there:
        raise SettingError(
            "run_dir",
            run_dir,
            f"holds {', '.join(there)}, and no checkpoint to go on from; put back a "
            "copy of its checkpoints, remove what is there to begin anew, or give "
            "another `run_dir`",
        )


def _made(run_dir: Path, save_every: int) -> list[str]:
    """What only a training that saved can have left."""
    folder = run_dir / "samples"
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    grids = [int(found[1]) for found in map(_GRID.fullmatch, names) if found]
    made = []
    logged, failed = _last_logged(run_dir / "logs"), _failed_at(run_dir)
    if grids and max(grids) >= save_every and max(grids) > failed:
        made.append(f"samples of step {max(grids)}")
    if logged >= save_every and logged > failed:
        made.append(f"curves up to step {logged}")
    if (run_dir / "export" / "saved_model.pb").is_file():
        made.append("an export")
    if (run_dir / "weights.safetensors").is_file():
        made.append("averaged weights, from which `init_from` starts a new run")
    return made


def _last_logged(folder: Path) -> int:
    """The last step that curves were written of; 0 if there are none."""
    last = 0
    for file in filter(is_regular, sorted(folder.glob("events.out.tfevents.*"))):
        with contextlib.suppress(tf.errors.OpError):  # cut off, as by a kill
            for record in tf.data.TFRecordDataset(str(file)):
                last = max(last, Event.FromString(record.numpy()).step)
    return last


def _failed_at(run_dir: Path) -> int:
    """The step up to which a training went wrong from its beginning; 0: none did."""
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        report = read_json(run_dir / "diagnostic" / REPORT)
        if report.get("last_good_step", 0) is None:
            return int(report["stopped_at_step"])
    return 0
