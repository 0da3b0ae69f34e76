"""The state of a run on disk: everything keyed by variable name, and a manifest.

A checkpoint is written beside its place, flushed to the disk, and then moved: its
manifest first, its index last. Whatever moment the process is killed in, the
checkpoints before it are as they were, and the new one is whole or known not to be.
"""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from pdm_tf.config.sealing import fixed_settings
from pdm_tf.denoisers.identity import digest_model
from pdm_tf.errors import SettingError
from pdm_tf.storage.aliases import plainly_named
from pdm_tf.storage.durability import flush_to_disk, make_directory
from pdm_tf.storage.files import checksum, write_text
from pdm_tf.training import checkpoint_files
from pdm_tf.training import manifest as manifests
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.further_averages import FurtherAverages
from pdm_tf.training.loss_scale import LossScale
from pdm_tf.training.optimizer import Adam

__all__ = ["Checkpoints", "NotSaved"]


class NotSaved(SettingError):
    """A checkpoint that could not be written; those before it are as they were."""


class Named(tf.Module):
    """Variables under their own names, so that no order of attributes matters."""

    def __init__(self, variables: Mapping[str, tf.Variable]) -> None:
        super().__init__()
        self.variables_by_path = dict(variables)


class Checkpoints:
    """Saves and restores a run: what learns, its slots and averages, step, scale.

    No random state and no data position is kept: both are functions of (seed, step).

    Args:
      directory: where they lie.
      variables: what learns, by name.
      optimizer: Adam, with its slots.
      average: averages of the variables.
      step: int64 variable, steps finished.
      keep: how many are kept.
      scale: of the loss, if there is one.
      data: what is learnt from, see `manifest.refuse_other_data`.
      writing: whether this process is the one that saves.
      unlearnt: variables that do not learn and are saved all the same, by name.
      sealed: what the weights mean, see `config.sealing`.
      further: averages beside the first, if there are any.
    """

    def __init__(
        self,
        directory: Path,
        variables: Mapping[str, tf.Variable],
        optimizer: Adam,
        average: MovingAverage,
        step: tf.Variable,
        keep: int,
        scale: LossScale | None = None,
        data: Mapping[str, Any] | None = None,
        writing: bool = True,
        unlearnt: Mapping[str, tf.Variable] | None = None,
        sealed: Mapping[str, Any] | None = None,
        further: FurtherAverages | None = None,
    ) -> None:
        self._sealed, self._average = dict(sealed or {}), average
        self.directory, self._variables, self._step = directory, variables, step
        self._keep, self._data, self._writing = keep, data or {}, writing
        # These names are in every checkpoint ever written.
        parts = {"network": Named(variables), "optimizer": optimizer}
        self._parts = {**parts, "ema": average, "step": step}
        if unlearnt:
            self._parts["unlearnt"] = Named(unlearnt)
        if scale:
            self._parts["scale"] = scale
        self._further = further
        if further and further.variables:
            self._parts["further"] = further
        self._writer = tf.train.Checkpoint(**self._parts)
        self.whole: int | None = None  # step of the newest known to be whole
        self._pinned: int | None = None  # step of the newest known to be good

    def save(self, good: bool = True) -> None:
        """Writes a checkpoint of this step; keeps the last few, and the last good one.

        Args:
          good: whether nothing is doubtful about this state.

        Raises:
          NotSaved: it could not be written, as when the disk is full.
        """
        step = int(self._step.read_value())
        if step == self.whole or not self._writing:
            return  # a good one is never touched
        beside = self.directory / checkpoint_files.SAVING
        try:
            make_directory(self.directory)
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            self._put_in_place(self._write(beside, step), step)
        except (OSError, tf.errors.OpError) as error:
            self._withdraw(step)
            there = self.whole is not None
            kept = f"ckpt-{self.whole} is kept" if there else "none is there yet"
            raise NotSaved(
                "run_dir",
                self.directory.parent,
                f"the checkpoint of step {step} could not be saved ({_reason(error)}); "
                f"{kept}; free space on the disk, and the same command goes on",
            ) from None
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        self.whole = step
        if good:
            self._pinned = step
        self._forget_old(step)

    def _withdraw(self, step: int) -> None:
        """Removes what came into place of a checkpoint that is not whole."""
        if not (self.directory / f"ckpt-{step}.index").exists():
            for path in self._files(step):
                with contextlib.suppress(OSError):
                    path.unlink()

    def move_doubtful(self, folder: Path) -> list[str]:
        """Puts aside what was saved after the last good checkpoint; returns names."""
        if not self._writing or self._pinned is None:
            return []
        there = checkpoint_files.numbers(self.directory)
        doubtful = [number for number in there if number > self._pinned]
        folder.mkdir(parents=True, exist_ok=True)
        for number in doubtful:
            for path in self._files(number):
                path.replace(folder / path.name)
        if doubtful:
            self._point_to(self._pinned)
        self.whole = self._pinned
        return [f"ckpt-{number}" for number in doubtful]

    def save_beside(self, directory: Path) -> None:
        """Writes this state elsewhere, for a person to look into."""
        if not self._writing:
            return
        directory.mkdir(parents=True, exist_ok=True)
        self._write(directory, int(self._step.read_value()))

    def _write(self, beside: Path, step: int) -> list[Path]:
        """Writes all files of a checkpoint; the manifest comes first."""
        with plainly_named(beside) as plain:
            self._writer.write(str(plain / f"ckpt-{step}"))
        files = sorted(beside.glob(f"ckpt-{step}.*"))  # data before index
        for path in files:
            flush_to_disk(path)
        sums = {path.name: checksum(path) for path in files}
        digest = digest_model(self._average.weights, self._sealed)
        known = {"digest": digest, "sealed": self._sealed}
        if "further" in self._parts and self._further:
            known["averages"] = self._further.describe()
        manifest = manifests.compose(step, self._variables, self._data, sums, known)
        own = beside / f"ckpt-{step}.json"
        write_text(own, manifests.to_text(manifest))
        return [own, *files]

    def _put_in_place(self, files: list[Path], step: int) -> None:
        for path in files:
            path.replace(self.directory / path.name)
        flush_to_disk(self.directory)
        self._point_to(step)

    def _point_to(self, step: int) -> None:
        """Names the newest checkpoint."""
        # For TensorFlow's own readers; ours list the folder.
        write_text(
            self.directory / "checkpoint", f'model_checkpoint_path: "ckpt-{step}"\n'
        )
        text = (self.directory / f"ckpt-{step}.json").read_text()
        write_text(self.directory / checkpoint_files.LATEST, text)

    def _forget_old(self, step: int) -> None:
        """Removes all but the last few; what claims a later step is left alone."""
        past = [n for n in checkpoint_files.numbers(self.directory) if n <= step]
        for number in past[self._keep :]:
            if number == self._pinned:
                continue
            for path in self._files(number):
                with contextlib.suppress(OSError):
                    path.unlink()

    def _files(self, number: int) -> list[Path]:
        """The files of a checkpoint, its index first."""
        return sorted(self.directory.glob(f"ckpt-{number}.*"), reverse=True)

    def restore(self) -> bool:
        """Restores the newest whole checkpoint; False if there is none.

        Raises:
          SettingError: it belongs to another network or data set, to newer code, or
            none is whole.
        """
        newest = checkpoint_files.find_newest(self.directory)
        if newest is None:
            return False
        run_dir = self.directory.parent
        fixed = fixed_settings(self._sealed)
        manifests.refuse_other_settings(newest.manifest, fixed, run_dir)
        manifests.refuse_other_network(newest.manifest, self._variables, run_dir)
        manifests.refuse_other_data(newest.manifest, self._data, run_dir)
        if self._further:
            self._further.refuse_others(newest.manifest.get("averages", {}))
        with plainly_named(self.directory) as plain:
            self._read(str(plain / newest.name))
        self.whole = self._pinned = newest.number
        return True

    def _read(self, prefix: str) -> None:
        """Takes over what a checkpoint holds."""
        names = [name for name, _ in tf.train.list_variables(prefix)]
        # A run may go on in another precision: its loss scale is then new, or left.
        scaled = any(name.startswith("scale/") for name in names)
        parts = {n: part for n, part in self._parts.items() if scaled or n != "scale"}
        reader = tf.train.Checkpoint(**parts)
        counted = any(name.startswith("save_counter") for name in names)  # format 1
        status = (reader.restore if counted else reader.read)(prefix)
        status.assert_existing_objects_matched()
        if not scaled or "scale" in parts:
            status.assert_consumed()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200] or type(error).__name__
