"""Edited pictures in a directory of their own, with a record of what they are of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.config import EditingConfig
from pdm_tf.data.images import contact_sheet, save_png, to_uint8
from pdm_tf.editing.manifests import describe_edits, is_of_edits
from pdm_tf.editing.tasks import Model, Task, prepare
from pdm_tf.storage.files import write_json
from pdm_tf.storage.outputs import MANIFEST, locked_directory, refuse_others

_SHEET = "sheet.png"


def write_edits(
    task: str,
    config: EditingConfig,
    own: Any,
    model: Model,
    digest: str,
    run: Callable[[Task], tf.Tensor],
) -> int:
    """Runs a task and writes 0000.png …, sheet.png and manifest.json.

    What is there already, complete and of the same settings, is left as it is.

    Args:
      task: name of one.
      config: what every task takes.
      own: what this one takes besides.
      model: what edits.
      digest: what the model is known by.
      run: takes a ready task; gives its pictures.

    Returns:
      How many pictures there are.

    Raises:
      InputError: settings or pictures that do not fit, or a directory of others.
    """
    ready = prepare(task, config, own, model)
    manifest = describe_edits(task, config, own, digest)
    count = ready.rows * config.count
    with locked_directory("out", config.out, is_of_edits) as there:
        directory = Path(config.out)
        if there is not None:
            refuse_others(directory, there, manifest)
            if _is_complete(directory, count):
                return count
        write_json(directory / MANIFEST, manifest)
        _write(directory, ready, run(ready))
    return count


def _is_complete(directory: Path, count: int) -> bool:
    names = [*(f"{i:04d}.png" for i in range(count)), _SHEET]
    return all((directory / name).is_file() for name in names)


def _write(directory: Path, ready: Task, x: tf.Tensor) -> None:
    made = to_uint8(x).numpy()
    for i, picture in enumerate(made):
        save_png(directory / f"{i:04d}.png", picture)
    rows = np.split(made, ready.rows)
    shown = np.concatenate([part for row in rows for part in (ready.given, row)])
    save_png(directory / _SHEET, contact_sheet(shown, len(shown) // ready.rows))
