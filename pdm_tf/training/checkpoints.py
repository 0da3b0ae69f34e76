"""The state of a run on disk: everything keyed by variable path, and a manifest."""

import json
import os
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.loss_scale import LossScale
from pdm_tf.training.optimizer import Adam

FORMAT = 1  # of the checkpoint; grows when older code could misread a newer one


class Named(tf.Module):
    """Variables under their own names, so that no order of attributes matters."""

    def __init__(self, variables: dict[str, tf.Variable]) -> None:
        super().__init__()
        self.variables_by_path = dict(variables)


def write_atomically(path: Path, text: str) -> None:
    """Writes a small file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)


def describe(variables: dict[str, tf.Variable]) -> list[list]:
    """[path, shape, dtype] of every variable."""
    return [
        [path, v.shape.as_list(), v.dtype.name] for path, v in sorted(variables.items())
    ]


class Checkpoints:
    """Saves and restores a run: weights, Adam's memory, averaged weights, step, scale.

    No random state and no data position is kept: both are functions of (seed, step).
    """

    def __init__(
        self,
        directory: Path,
        variables: dict[str, tf.Variable],
        optimizer: Adam,
        average: MovingAverage,
        step: tf.Variable,
        keep: int,
        scale: LossScale | None = None,
    ) -> None:
        self.directory, self._variables, self._step = directory, variables, step
        parts = {"network": Named(variables), "optimizer": optimizer}
        self._parts = {**parts, "ema": average, "step": step}
        if scale:
            self._parts["scale"] = scale
        self._manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(**self._parts),
            str(directory),
            max_to_keep=keep,
            step_counter=step,
        )

    def save(self) -> None:
        """Writes the manifest and a checkpoint of this step; keeps the last few."""
        self.directory.mkdir(parents=True, exist_ok=True)
        manifest = {
            "format": FORMAT,
            "step": int(self._step),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "variables": describe(self._variables),
        }
        # First, so that no checkpoint is ever without one.
        path = self.directory / "manifest.json"
        write_atomically(path, json.dumps(manifest, indent=1))
        self._manager.save(checkpoint_number=int(self._step))

    def restore(self) -> bool:
        """Restores the newest checkpoint; False if there is none.

        Raises:
          InputError: it belongs to another network.
        """
        newest = self._manager.latest_checkpoint
        if newest is None:
            return False
        check_manifest(self.directory, self._variables)
        # A run may go on in another precision: its loss scale is then new, or left.
        scaled = any(n.startswith("scale/") for n, _ in tf.train.list_variables(newest))
        parts = {n: part for n, part in self._parts.items() if scaled or n != "scale"}
        status = tf.train.Checkpoint(**parts).restore(newest)
        status.assert_existing_objects_matched()
        if not scaled or "scale" in parts:
            status.assert_consumed()
        return True


def check_manifest(directory: Path, variables: dict[str, tf.Variable]) -> None:
    """Raises InputError if a checkpoint holds other variables than these."""
    manifest: dict[str, Any] = json.loads((directory / "manifest.json").read_text())
    if manifest["format"] > FORMAT:
        raise InputError(
            f"--run_dir={directory.parent}: written by a newer pdm_tf (format "
            f"{manifest['format']}, this one reads {FORMAT}); update pdm_tf"
        )
    saved = {path: (shape, dtype) for path, shape, dtype in manifest["variables"]}
    built = {path: (shape, dtype) for path, shape, dtype in describe(variables)}
    different = sorted(
        path for path in saved | built if saved.get(path) != built.get(path)
    )
    if different:
        listed = "; ".join(
            f"{path} saved {saved.get(path, ['nothing'])[0]}, asked for "
            f"{built.get(path, ['nothing'])[0]}"
            for path in different[:5]
        )
        raise InputError(
            f"--run_dir={directory.parent}: its checkpoint is of another network; "
            f"{len(different)} variables differ: {listed}"
            f"{' …' if len(different) > 5 else ''}; give its own network flags (see "
            f"{directory.parent / 'config.flags'}) or another --run_dir"
        )


def load_average(directory: Path, variables: dict[str, tf.Variable]) -> int:
    """Puts the newest checkpoint's averaged weights into variables, by path.

    Returns:
      The step of the checkpoint.

    Raises:
      InputError: no checkpoint, or one of another network.
    """
    newest = tf.train.latest_checkpoint(str(directory))
    if newest is None:
        raise InputError(
            f"--run_dir={directory.parent}: no checkpoint there yet; train first, or "
            "name the directory of a run"
        )
    check_manifest(directory, variables)
    ema = tf.Module()
    ema.weights = dict(variables)
    step = tf.Variable(0, dtype=tf.int64)
    status = tf.train.Checkpoint(ema=ema, step=step).restore(newest)
    status.assert_existing_objects_matched().expect_partial()
    return int(step)
