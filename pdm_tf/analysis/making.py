"""From a figure's name to its files; networks that are missing are trained first."""

import importlib
from dataclasses import fields, replace
from pathlib import Path

import tensorflow as tf

from pdm_tf import assemble
from pdm_tf.analysis import networks, results
from pdm_tf.assemble.runs import RECORD
from pdm_tf.config import AnalysisConfig, Config
from pdm_tf.config.analysing import FIGURES
from pdm_tf.denoisers import Denoiser
from pdm_tf.errors import SettingError, as_text
from pdm_tf.storage.locks import locked_place
from pdm_tf.storage.places import open_place


def make(figure: str, config: AnalysisConfig) -> None:
    """Makes a figure, or all, and prints what was found.

    Raises:
      InputError: settings that no figure can be made with, or `out` cannot be used.
      KeyboardInterrupt: a training was stopped, with everything saved.
    """
    for name in [name for name in FIGURES if name != "all"]:
        if figure in (name, "all"):
            _make_one(name, config)


def _make_one(name: str, config: AnalysisConfig) -> None:
    networks.check(config)
    directory = open_place("out", config.out)
    results.refuse_others(name, directory)
    with locked_place("out", directory / name):
        _write(name, replace(config, out=str(directory)))


def _write(name: str, config: AnalysisConfig) -> None:
    module = importlib.import_module(f"pdm_tf.analysis.{name}")
    for result in module.make(config, obtain):
        files = results.write_result(result, Path(config.out))
        print(results.format_result(result))
        print(f"written: {', '.join(map(str, files))}\n", flush=True)


def obtain(config: Config) -> Denoiser:
    """A run's denoiser; the run is trained or resumed first if it is not complete.

    Raises:
      InputError: the directory holds a run with other settings.
      KeyboardInterrupt: the training was stopped, with everything saved.
    """
    directory = Path(config.training.run_dir)
    _check_record(config, directory)
    if _steps_done(directory) < config.training.iterations:
        print(f"{directory.name}: training in {directory}", flush=True)
        if not assemble.train(config):
            raise KeyboardInterrupt
    return assemble.restore(directory)


def _check_record(config: Config, directory: Path) -> None:
    """Raises InputError where another kind of run is in the way."""
    if not (directory / RECORD).is_file():
        return
    found = assemble.read_settings(directory)  # later settings have their defaults
    length = found.training.iterations  # may grow
    wanted = replace(config, training=replace(config.training, iterations=length))
    differing = [
        f"`{field.name}={as_text(getattr(mine, field.name))}`"
        for room in fields(Config)
        for mine, theirs in [(getattr(wanted, room.name), getattr(found, room.name))]
        for field in fields(mine)
        if getattr(mine, field.name) != getattr(theirs, field.name)
    ]
    if differing:
        raise SettingError(
            "out",
            directory.parents[1],
            f"{directory.name} in it was trained without {' '.join(differing)}; give "
            "the settings of before, or another `out`",
        )


def _steps_done(directory: Path) -> int:
    """Steps behind a run's newest checkpoint; 0 without one."""
    newest = tf.train.latest_checkpoint(str(directory / "checkpoints"))
    if newest is None:
        return 0
    step = tf.train.load_variable(newest, "step/.ATTRIBUTES/VARIABLE_VALUE")
    return int(step)
