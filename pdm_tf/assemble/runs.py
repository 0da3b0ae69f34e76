"""A run's directory: its record config.flags, and its averaged weights."""

from dataclasses import replace
from pathlib import Path

from pdm_tf import flags
from pdm_tf.assemble.building import build_denoiser, named_variables
from pdm_tf.config import Config
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.errors import InputError, SettingError
from pdm_tf.storage.arrays import read_arrays
from pdm_tf.storage.files import write_text
from pdm_tf.training.checkpoints import load_average

RECORD = "config.flags"
WEIGHTS = "weights.safetensors"  # averaged, of a run whose checkpoints stayed behind


def write_settings(config: Config) -> None:
    """Writes the run's record, config.flags."""
    directory = Path(config.training.run_dir)
    directory.mkdir(parents=True, exist_ok=True)
    command = f"python train.py --flagfile={directory / RECORD}"
    header = f"The record of this run; resume it with\n{command}"
    write_text(directory / RECORD, flags.to_flagfile(config, header))


def read_settings(run_dir: str | Path, setting: str = "run_dir") -> Config:
    """A run's settings, from its record.

    Args:
      run_dir: the run's directory.
      setting: the setting that names it, for messages.

    Raises:
      SettingError: not a run directory.
    """
    record = Path(run_dir) / RECORD
    if not record.is_file():
        raise SettingError(
            setting,
            run_dir,
            f"no {RECORD} there, so it is not the directory of a run; give the "
            "`run_dir` that train.py was given",
        )
    (config,) = flags.parse(["", f"--flagfile={record}"], Config)
    return replace(config, training=replace(config.training, run_dir=str(run_dir)))


def restore_run(run_dir: str | Path, config: Config) -> NetworkDenoiser:
    """The denoiser of a run with its averaged weights.

    They are those of weights.safetensors where there is one, as in a model of the
    package, or else of the newest checkpoint.

    Raises:
      InputError: nothing saved in it yet, or weights of another network.
    """
    directory, denoiser = Path(run_dir), build_denoiser(config)
    variables = named_variables(denoiser.network)
    if not (directory / WEIGHTS).is_file():
        load_average(directory / "checkpoints", variables)
        return denoiser
    stored = read_arrays(directory / WEIGHTS)
    shapes = {name: tuple(v.shape) for name, v in variables.items()}
    if shapes != {name: array.shape for name, array in stored.items()}:
        raise InputError(
            f"{directory / WEIGHTS}: weights of another network than {RECORD} "
            "describes; copy both from the same place"
        )
    for name, variable in variables.items():
        variable.assign(stored[name])
    return denoiser
