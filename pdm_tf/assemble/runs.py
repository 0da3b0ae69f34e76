"""A run's directory: its record config.flags, and its averaged weights."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from pdm_tf import flags
from pdm_tf.assemble.building import build_denoiser, named_variables
from pdm_tf.config import Config
from pdm_tf.config.sealing import sealed_settings
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.errors import InputError, SettingError
from pdm_tf.storage.arrays import ArrayFile
from pdm_tf.storage.files import write_text
from pdm_tf.storage.reading import read_regular
from pdm_tf.training.averages import load_average

RECORD = "config.flags"
_LARGEST = 2**20  # bytes of a record, as of every flagfile
WEIGHTS = "weights.safetensors"  # averaged, of a run whose checkpoints stayed behind


def write_settings(config: Config) -> None:
    """Writes the run's record, config.flags, unless it says the same already."""
    record = Path(config.training.run_dir) / RECORD
    record.parent.mkdir(parents=True, exist_ok=True)
    text = flags.to_record(config, f"python train.py --flagfile={record}")
    if not record.is_file() or record.read_text("utf-8", "replace") != text:
        write_text(record, text)


def read_settings(run_dir: str | Path, setting: str = "run_dir") -> Config:
    """A run's settings, from its record.

    Args:
      run_dir: the run's directory.
      setting: the setting that names it, for messages.

    Raises:
      InputError: not a run directory, or its record is not as it was written.
    """
    record = Path(run_dir) / RECORD
    if not record.is_file():
        raise SettingError(
            setting,
            run_dir,
            f"no {RECORD} there, so it is not the directory of a run; give the "
            "`run_dir` that train.py was given",
        )
    try:
        text = read_regular(record, _LARGEST).decode("utf-8", "replace")
    except OSError as error:
        raise SettingError(
            setting,
            run_dir,
            f"its {RECORD} cannot be read ({error.strerror}); put back a copy of it",
        ) from None
    flags.check_record(record, text)
    (config,) = flags.parse(["", f"--flagfile={record}"], Config)
    return replace(config, training=replace(config.training, run_dir=str(run_dir)))


def restore_run(run_dir: str | Path, config: Config) -> NetworkDenoiser:
    """The denoiser of a run with its averaged weights, see `load_weights`."""
    denoiser = build_denoiser(config)
    sealed = sealed_settings(config)
    load_weights(run_dir, named_variables(denoiser.network), sealed)
    return denoiser


def load_weights(
    run_dir: str | Path,
    variables: Mapping[str, tf.Variable],
    sealed: Mapping[str, Any] | None = None,
) -> None:
    """Puts a run's averaged weights into variables, by path.

    They are those of weights.safetensors where there is one, as in a model of the
    package, or else of the newest checkpoint.

    Args:
      run_dir: the run's directory.
      variables: what they are put into.
      sealed: what they are taken to mean, see `config.sealing`; None: nobody says.

    Raises:
      InputError: nothing saved in it yet, or weights of another network or of other
        settings.
    """
    file = Path(run_dir) / WEIGHTS
    if not file.is_file():
        load_average(Path(run_dir) / "checkpoints", variables, sealed)
        return
    stored = ArrayFile(file)
    for name in sorted(variables.keys() | stored.shapes.keys()):
        wanted = variables[name].shape.as_list() if name in variables else "nothing"
        saved = list(stored.shapes[name]) if name in stored.shapes else "nothing"
        if wanted != saved:
            raise InputError(
                f"{file}: weights of another network: {name} saved {saved}, built "
                f"{wanted}; give the settings in the {RECORD} beside it"
            )
    stored.check()
    for name, variable in variables.items():  # one at a time: they may be large
        variable.assign(stored.read(name))
