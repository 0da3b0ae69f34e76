"""From settings and a denoiser to edited pictures, one function a task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.config import (
    EditingConfig,
    InpaintConfig,
    InterpolateConfig,
    SamplingConfig,
    SDEditConfig,
    SuperResolveConfig,
    VariationsConfig,
)
from pdm_tf.data.images import contact_sheet, read_picture, save_png, to_float, to_uint8
from pdm_tf.data.labels import find_labels
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import Grid
from pdm_tf.editing.inpaint import inpaint
from pdm_tf.editing.interpolate import interpolate
from pdm_tf.editing.reading import read_exactly, size_of
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.editing.super_resolve import enlarge, factor_between, super_resolve
from pdm_tf.editing.variations import variations
from pdm_tf.errors import SettingError
from pdm_tf.samplers import Sampler, open_sampler


class Edited(NamedTuple):
    """What a task shows of its input, uint8 [M, H, W, C], and what it made of it.

    `x` is float32 [N, H, W, C] in [-1, 1].
    """

    given: np.ndarray
    x: tf.Tensor


class Model(NamedTuple):
    """What edits, and the settings by which it samples."""

    denoise: Denoiser
    sampling: SamplingConfig
    class_names: tuple[str, ...] = ()


def edit(
    task: str,
    config: EditingConfig,
    own: Any,
    denoise: Denoiser,
    sampling: SamplingConfig,
) -> Edited:
    """Runs a task.

    Args:
      task: name of one.
      config: what every task takes.
      own: what this one takes besides.
      denoise: the model.
      sampling: guidance and thresholding as its run's settings say.

    Raises:
      InputError: settings or pictures that do not fit the model.
    """
    return _TASKS[task](config, own, Model(denoise, sampling))


def write(directory: str, edited: Edited) -> int:
    """Writes 0000.png … and sheet.png; returns how many pictures were made."""
    made = to_uint8(edited.x).numpy()
    for i, picture in enumerate(made):
        save_png(Path(directory) / f"{i:04d}.png", picture)
    shown = np.concatenate([edited.given, made])
    save_png(Path(directory) / "sheet.png", contact_sheet(shown, len(shown)))
    return len(made)


def _inpaint(config: EditingConfig, own: InpaintConfig, model: Model) -> Edited:
    shape = model.denoise.image_shape
    picture = read_exactly("image", config.image, shape)
    paint = read_exactly("mask", own.mask, (*shape[:2], 1)) > 127
    if not paint.any():
        raise SettingError(
            "mask",
            own.mask,
            "black everywhere, so nothing would be painted; make it white where to "
            "paint",
        )
    x = inpaint(
        *_sampled(config, own, model),
        picture=to_float(picture),
        mask=paint,
        resamplings=own.resamplings,
        jump=own.jump,
    )
    return Edited(np.where(paint, np.uint8(127), picture), x)


def _sdedit(config: EditingConfig, own: SDEditConfig, model: Model) -> Edited:
    picture = read_exactly("image", config.image, model.denoise.image_shape)
    x = sdedit(
        *_sampled(config, own, model), picture=to_float(picture), strength=own.strength
    )
    return Edited(picture, x)


def _super_resolve(
    config: EditingConfig, own: SuperResolveConfig, model: Model
) -> Edited:
    size, shape = size_of("image", config.image), model.denoise.image_shape
    factor = factor_between(size, shape)
    small = read_picture(config.image, (*size, shape[2]))[None]
    x = super_resolve(*_sampled(config, own, model), small=to_float(small))
    return Edited(enlarge(small, factor).numpy(), x)


def _interpolate(config: EditingConfig, own: InterpolateConfig, model: Model) -> Edited:
    shape = model.denoise.image_shape
    first = read_exactly("image", config.image, shape)
    second = read_exactly("second_image", own.second_image, shape)
    x = interpolate(
        *_encoded(config, model),
        first=to_float(first),
        second=to_float(second),
        shares=np.linspace(0.0, 1.0, config.count).tolist(),
    )
    return Edited(np.concatenate([first, second]), x)


def _variations(config: EditingConfig, own: VariationsConfig, model: Model) -> Edited:
    picture = read_exactly("image", config.image, model.denoise.image_shape)
    x = variations(
        *_encoded(config, model),
        seeds=_seeds(config),
        picture=to_float(picture),
        strength=own.strength,
    )
    return Edited(picture, x)


_TASKS: dict[str, Callable[[EditingConfig, Any, Model], Edited]] = {
    "inpaint": _inpaint,
    "sdedit": _sdedit,
    "super_resolve": _super_resolve,
    "interpolate": _interpolate,
    "variations": _variations,
}


def _sampled(
    config: EditingConfig,
    own: InpaintConfig | SDEditConfig | SuperResolveConfig,
    model: Model,
) -> tuple[Denoiser, Sampler, Grid, range]:
    """Denoiser, sampler, grid and seeds of a task that samples."""
    sampler = open_sampler(own.sampler)
    labels = np.resize(_labels(config, model), config.count)
    weight = own.guidance if config.labels else 1.0
    denoise = _conditioned(config, model, labels, weight)
    grid = denoise.schedule.grid(config.steps, config.spacing)
    return denoise, sampler, grid, _seeds(config)


def _encoded(config: EditingConfig, model: Model) -> tuple[Denoiser, Grid]:
    """Denoiser and grid of a task that encodes; guided ones are hard to invert."""
    if len(config.labels) > 1:
        raise SettingError("labels", config.labels, "give one for this task, or none")
    label = np.resize(_labels(config, model), 1)
    denoise = _conditioned(config, model, label, weight=1.0)
    return denoise, denoise.schedule.grid(config.steps, config.spacing)


def _conditioned(
    config: EditingConfig, model: Model, labels: np.ndarray, weight: float
) -> Denoiser:
    """The denoiser given its classes, guided and thresholded as its run samples."""
    return for_sampling(model.denoise, labels.astype(np.int32), weight, model.sampling)


def _labels(config: EditingConfig, model: Model) -> list[int] | int:
    """The labels given, or the null label."""
    classes = model.denoise.num_classes
    return find_labels(config.labels, classes, model.class_names) or classes


def _seeds(config: EditingConfig) -> range:
    return range(config.seed, config.seed + config.count)
