"""Measurements as files, and as they come from a picture."""

import zipfile
from pathlib import Path

import numpy as np

from pdm_tf.config.inverse import ProblemConfig
from pdm_tf.data.fitting import read_exactly
from pdm_tf.data.images import to_float
from pdm_tf.errors import InputError, MissingSetting, SettingError
from pdm_tf.inverse.operators import open_operator
from pdm_tf.inverse.problem import Problem
from pdm_tf.storage.files import write_npz

FILE = "measurement.npz"


def measure_picture(config: ProblemConfig, shape: tuple[int, ...]) -> Problem:
    """Measures the picture that settings name, at the shape (H, W, C).

    Raises:
      SettingError: no operator, no picture, or ones that do not fit each other.
    """
    if not config.operator:
        raise MissingSetting("operator", "say what measures, such as box:0.5")
    truth = read_exactly("image", config.image, shape, config.fit)
    operator = open_operator(config.operator, shape, config.operator_seed, config.sigma)
    y = operator.measure(to_float(truth), [config.operator_seed])
    return Problem(operator, np.asarray(y), truth)


def write_measurement(directory: Path, config: ProblemConfig, found: Problem) -> None:
    """Writes measurement.npz: y, and the settings of what measured it."""
    arrays = {
        "y": found.y,
        "operator": np.array(config.operator),
        "operator_seed": np.array(config.operator_seed),
        "sigma": np.array(config.sigma),
        "image_shape": np.array(found.operator.shape),
    }
    write_npz(directory / FILE, arrays)


def read_measurement(
    path: str, config: ProblemConfig, shape: tuple[int, ...]
) -> Problem:
    """A measurement that `write_measurement` wrote, or an npz or npy of anybody.

    The settings of what measured it are those given, or else those in the file.

    Raises:
      SettingError: no such file, one of another size or with numbers that are none, or
        an operator that nobody names.
    """
    y, said = _load(path)
    text = config.operator or str(said.get("operator", ""))
    if not text:
        raise MissingSetting("operator", f"{path} does not say what measured it")
    own = not config.operator  # settings of the file belong together
    seed = int(said["operator_seed"]) if own else config.operator_seed
    sigma = float(said["sigma"]) if own else config.sigma
    operator = open_operator(text, shape, seed, sigma)
    if y.shape == operator.measured:
        y = y[None]
    if y.shape != (1, *operator.measured):
        raise SettingError(
            "measurement",
            path,
            f"has the shape {_shown(y.shape)}, while {text} of the model's pictures, "
            f"{_shown(shape)}, gives {_shown(operator.measured)}",
        )
    if not np.isfinite(y).all():
        raise SettingError(
            "measurement",
            path,
            f"has {int((~np.isfinite(y)).sum())} numbers that are not finite; measure "
            "again, or hide these pixels by a mask",
        )
    return Problem(operator, y.astype(np.float32))


def _load(path: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """y and all else in a file."""
    if not Path(path).is_file():
        raise SettingError("measurement", path, "no such file")
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            said = {"y": found}
        else:
            with found:
                said = {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None
    y = said.pop("y", None)
    if y is None or y.dtype.kind not in "fiu":
        raise _unreadable(path, "no numbers named y")
    if said and not {"operator_seed", "sigma"} <= said.keys():
        said = {}
    return y, said


def _unreadable(path: str, reason: object) -> InputError:
    return SettingError(
        "measurement",
        path,
        f"cannot be read ({reason}); give a file that simulate wrote, or an array of "
        "NumPy",
    )


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
