"""A run's other averages of its weights -> a model of its own."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from pdm_tf.assemble.building import build_denoiser, named_variables
from pdm_tf.assemble.class_names import read_class_names, write_class_names
from pdm_tf.assemble.runs import WEIGHTS, read_settings, write_settings
from pdm_tf.config import EmaConfig
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.storage.arrays import write_arrays
from pdm_tf.storage.locks import locked_place
from pdm_tf.storage.places import open_place
from pdm_tf.training.averages import load_further
from pdm_tf.training.snapshots import find_snapshots, reconstruct


def make_average(config: EmaConfig) -> Path:
    """Makes a model of another average of a run's weights; returns its directory.

    Raises:
      InputError: no such run or average, or a place that is taken.
    """
    if not config.run_dir:
        raise MissingSetting("run_dir", "name the directory of a run")
    if bool(config.length) == bool(config.decay):
        raise MissingSetting("length", "give a length, or a decay in its place")
    out = open_place("out", config.out)
    with locked_place("out", out):
        if out.exists() and any(path.name[:1] != "." for path in out.iterdir()):
            raise SettingError("out", out, "is not empty; name another directory")
        settings = read_settings(config.run_dir)
        names = read_class_names(config.run_dir, settings)
        write_arrays(out / WEIGHTS, dict(_average(config)))
        write_class_names(out, names)
        training = replace(settings.training, run_dir=str(out))
        write_settings(replace(settings, training=training))
    return out


def _average(config: EmaConfig) -> Iterable[tuple[str, np.ndarray]]:
    run_dir = Path(config.run_dir)
    if config.length:
        yield from reconstruct(find_snapshots(run_dir), config.length, config.at_step)
        return
    settings = read_settings(run_dir)
    variables = named_variables(build_denoiser(settings).network)
    load_further(run_dir / "checkpoints", variables, config.decay)
    for name, variable in variables.items():
        yield name, tf.convert_to_tensor(variable).numpy()
