"""The averaged weights in the checkpoints of a run, read by whoever uses it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from pdm_tf.errors import SettingError
from pdm_tf.storage.aliases import plainly_named
from pdm_tf.training import checkpoint_files
from pdm_tf.training import manifest as manifests


def load_average(
    directory: Path,
    variables: Mapping[str, tf.Variable],
    sealed: Mapping[str, Any] | None = None,
) -> int:
    """Puts the newest whole checkpoint's averages into variables, by name.

    Only reads: the run may belong to somebody else, or be in training.

    Args:
      directory: of the checkpoints.
      variables: what the averages are put into.
      sealed: what the weights are taken to mean; None: nobody says.

    Returns:
      The step of the checkpoint.

    Raises:
      SettingError: no checkpoint, or one of another network or other settings.
    """
    newest = checkpoint_files.find_newest(directory)
    if newest is None:
        raise SettingError(
            "run_dir",
            directory.parent,
            "no checkpoint there yet; train first, or name the directory of a run",
        )
    manifests.refuse_other_network(newest.manifest, variables, directory.parent)
    manifests.refuse_other_settings(newest.manifest, sealed or {}, directory.parent)
    try:
        return _read_average(directory, newest.name, variables)
    except tf.errors.OpError:
        if (directory / f"{newest.name}.index").exists():
            raise
    # A trainer has saved a newer one meanwhile, and removed this.
    return load_average(directory, variables, sealed)


def load_averages_of(
    directory: Path, variables: Mapping[str, tf.Variable], steps: Sequence[int] = ()
) -> Iterator[int]:
    """Puts the averages of one whole checkpoint after another into variables.

    Args:
      directory: of the checkpoints, of a training that has ended.
      variables: what the averages are put into.
      steps: of the checkpoints; empty: of all, the first first.

    Yields:
      The step of the checkpoint whose averages they hold now.
    """
    for number in steps or checkpoint_files.numbers(directory)[::-1]:
        try:
            found = checkpoint_files.examine(directory, number)
        except checkpoint_files.Damaged:
            continue
        yield _read_average(directory, found.name, variables)


def load_further(
    directory: Path, variables: Mapping[str, tf.Variable], decay: float
) -> int:
    """Puts the newest whole checkpoint's averages of a further decay into variables.

    Returns:
      The step of the checkpoint.

    Raises:
      SettingError: no checkpoint, or none with such an average.
    """
    newest = checkpoint_files.find_newest(directory)
    held = newest.manifest.get("averages", {}).get("ema_decays", ()) if newest else ()
    if newest is None or f"{decay:g}" not in held:
        there = ", ".join(held) or "none"
        raise SettingError("decay", decay, f"the run has {there} of its `ema_decays`")
    root, average = tf.Module(), tf.Module()
    average.weights = dict(variables)
    root.by_decay = {f"{decay:g}": average}
    step = tf.Variable(0, dtype=tf.int64)
    with plainly_named(directory) as plain:
        reader = tf.train.Checkpoint(further=root, step=step)
        status = reader.read(str(plain / newest.name))
        status.assert_existing_objects_matched().expect_partial()
    return int(step)


def _read_average(
    directory: Path, name: str, variables: Mapping[str, tf.Variable]
) -> int:
    ema = tf.Module()
    ema.weights = dict(variables)
    step = tf.Variable(0, dtype=tf.int64)
    with plainly_named(directory) as plain:
        reader = tf.train.Checkpoint(ema=ema, step=step)
        status = reader.read(str(plain / name))
        status.assert_existing_objects_matched().expect_partial()
    return int(step)
