"""python -m pdm_tf.editing TASK --run_dir=RUN --image=PNG: edits a picture.

TASK is inpaint, sdedit, super_resolve, interpolate or variations.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pdm_tf import flags
from pdm_tf.config import EditingConfig, InputError
from pdm_tf.data.images import (
    contact_sheet,
    read_picture,
    save_png,
    to_float,
    to_uint8,
)
from pdm_tf.editing.reading import read_exactly, size_of
from pdm_tf.errors import MissingSetting, SettingError

if TYPE_CHECKING:
    import tensorflow as tf

    from pdm_tf.denoisers import Denoiser
    from pdm_tf.diffusion import Grid
    from pdm_tf.samplers import Sampler

# What a task shows of its input, and what it made: uint8 and float32 [N, H, W, C].
Edited = tuple[np.ndarray, "tf.Tensor"]


def _walking(
    config: EditingConfig, denoise: "Denoiser"
) -> "tuple[Denoiser, Sampler, Grid, range]":
    """Denoiser, sampler, grid and seeds of a task that samples."""
    from pdm_tf.samplers import SAMPLERS

    if config.sampler not in SAMPLERS:
        raise SettingError(
            "sampler", config.sampler, f"choose from {', '.join(SAMPLERS)}"
        )
    labels = np.resize(config.labels or denoise.num_classes, config.count)
    denoise = _told(config, denoise, labels, config.guidance if config.labels else 1.0)
    grid = denoise.schedule.grid(config.steps, config.spacing)
    return denoise, SAMPLERS[config.sampler](), grid, _seeds(config)


def _encoding(config: EditingConfig, denoise: "Denoiser") -> "tuple[Denoiser, Grid]":
    """Denoiser and grid of a task that encodes."""
    if len(config.labels) > 1:
        raise SettingError("labels", config.labels, "give one for this task, or none")
    label = np.resize(config.labels or denoise.num_classes, 1)
    denoise = _told(config, denoise, label, weight=1.0)
    return denoise, denoise.schedule.grid(config.steps, config.spacing)


def _told(
    config: EditingConfig, denoise: "Denoiser", labels: np.ndarray, weight: float
) -> "Denoiser":
    """The denoiser, told its classes and thresholded as the run's settings say."""
    from pdm_tf.assemble import settings_of
    from pdm_tf.denoisers.guidance import for_sampling

    if config.labels and not denoise.num_classes:
        raise SettingError("labels", config.labels, "the model has no classes")
    if config.labels and not 0 <= min(config.labels) <= max(config.labels) < (
        denoise.num_classes
    ):
        raise SettingError(
            "labels", config.labels, f"choose from 0 to {denoise.num_classes - 1}"
        )
    sampling = settings_of(config.run_dir).sampling
    return for_sampling(denoise, labels.astype(np.int32), weight, sampling)


def _seeds(config: EditingConfig) -> range:
    return range(config.seed, config.seed + config.count)


def _inpaint(config: EditingConfig, denoise: "Denoiser") -> Edited:
    from pdm_tf.editing.inpaint import inpaint

    picture = read_exactly("image", config.image, denoise.image_shape)
    paint = read_exactly("mask", config.mask, (*denoise.image_shape[:2], 1)) > 127
    if not paint.any():
        raise SettingError(
            "mask",
            config.mask,
            "black everywhere, so nothing would be painted; make it white where to "
            "paint",
        )
    x = inpaint(
        *_walking(config, denoise),
        picture=to_float(picture),
        mask=paint,
        resamplings=config.resamplings,
        jump=config.jump,
    )
    return np.where(paint, np.uint8(127), picture), x


def _sdedit(config: EditingConfig, denoise: "Denoiser") -> Edited:
    from pdm_tf.editing.sdedit import sdedit

    picture = read_exactly("image", config.image, denoise.image_shape)
    return picture, sdedit(
        *_walking(config, denoise),
        picture=to_float(picture),
        strength=config.strength,
    )


def _super_resolve(config: EditingConfig, denoise: "Denoiser") -> Edited:
    from pdm_tf.editing.super_resolve import enlarge, factor_between, super_resolve

    size = size_of("image", config.image)
    factor = factor_between(size, denoise.image_shape)
    small = read_picture(config.image, (*size, denoise.image_shape[2]))[None]
    x = super_resolve(*_walking(config, denoise), small=to_float(small))
    return enlarge(small, factor).numpy(), x


def _interpolate(config: EditingConfig, denoise: "Denoiser") -> Edited:
    from pdm_tf.editing.interpolate import interpolate

    shape = denoise.image_shape
    first = read_exactly("image", config.image, shape)
    second = read_exactly("second_image", config.second_image, shape)
    shares = np.linspace(0.0, 1.0, config.count).tolist()
    x = interpolate(
        *_encoding(config, denoise),
        first=to_float(first),
        second=to_float(second),
        shares=shares,
    )
    return np.concatenate([first, second]), x


def _variations(config: EditingConfig, denoise: "Denoiser") -> Edited:
    from pdm_tf.editing.variations import variations

    picture = read_exactly("image", config.image, denoise.image_shape)
    return picture, variations(
        *_encoding(config, denoise),
        seeds=_seeds(config),
        picture=to_float(picture),
        strength=config.strength,
    )


TASKS: dict[str, Callable[[EditingConfig, "Denoiser"], Edited]] = {
    "inpaint": _inpaint,
    "sdedit": _sdedit,
    "super_resolve": _super_resolve,
    "interpolate": _interpolate,
    "variations": _variations,
}


ALSO_READ = {"inpaint": ("mask",), "interpolate": ("second_image",)}


def main(argv: list[str]) -> None:
    """Reads the task and the flags, edits, and writes pictures and a sheet."""
    task, rest = (argv[1], argv[2:]) if len(argv) > 1 else ("", [])
    if task.startswith("-"):  # no task: perhaps --help
        task, rest = "", argv[1:]
    (config,) = flags.parse([argv[0], *rest], EditingConfig, description=__doc__)
    if task not in TASKS:
        what = f"task {task!r}" if task else "the task is missing"
        raise InputError(f"{what}: choose from {', '.join(TASKS)}")
    if not config.run_dir:
        raise MissingSetting("run_dir", "name the directory of a run")
    if config.count < 1:
        raise SettingError("count", config.count, "at least 1 is needed")
    for flag in ("image", *ALSO_READ.get(task, ())):
        size_of(flag, getattr(config, flag))  # before anything slow is loaded
    from pdm_tf import assemble

    given, x = TASKS[task](config, assemble.restore(config.run_dir))
    made = to_uint8(x).numpy()
    for i, picture in enumerate(made):
        save_png(Path(config.out) / f"{i:04d}.png", picture)
    sheet = contact_sheet(np.concatenate([given, made]), len(given) + len(made))
    save_png(Path(config.out) / "sheet.png", sheet)
    print(f"{len(made)} pictures and sheet.png in {config.out}")


if __name__ == "__main__":
    flags.run(main)
