"""From settings and a denoiser to edited pictures, one function a task."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.config import (
    AnomalyConfig,
    ComposeConfig,
    EditingConfig,
    InpaintConfig,
    SamplingConfig,
    SDEditConfig,
    SuperResolveConfig,
)
from pdm_tf.data.fitting import read_exactly
from pdm_tf.data.images import to_float
from pdm_tf.denoisers import Denoiser
from pdm_tf.editing.anomaly import anomaly_map
from pdm_tf.editing.compose import compose, evaluations_of
from pdm_tf.editing.inpaint import inpaint
from pdm_tf.editing.noise_tasks import (
    interpolating,
    moving,
    translating,
    varying,
)
from pdm_tf.editing.preparing import (
    Model,
    Task,
    conditioned,
    labels_of,
    sampled,
    seeds_of,
)
from pdm_tf.editing.reading import read_small
from pdm_tf.editing.sdedit import check_strength, sdedit
from pdm_tf.editing.super_resolve import enlarge, factor_between, super_resolve
from pdm_tf.errors import SettingError
from pdm_tf.inverse.repaint import resampled_grid
from pdm_tf.samplers import evaluations


class Edited(NamedTuple):
    """What a task shows of its input, uint8 [M, H, W, C], and what it made of it.

    `x` is float32 [N, H, W, C] in [-1, 1].
    """

    given: np.ndarray
    x: tf.Tensor


def prepare(task: str, config: EditingConfig, own: Any, model: Model) -> Task:
    """Reads what a task needs.

    Args:
      task: name of one.
      config: what every task takes.
      own: what this one takes besides.
      model: what edits.

    Raises:
      InputError: settings or pictures that do not fit the model.
    """
    return _TASKS[task](config, own, model)


def edit(
    task: str,
    config: EditingConfig,
    own: Any,
    denoise: Denoiser,
    sampling: SamplingConfig,
) -> Edited:
    """Runs a task; see `prepare`."""
    ready = prepare(task, config, own, Model(denoise, sampling))
    return Edited(ready.given, ready.work())


def _inpaint(config: EditingConfig, own: InpaintConfig, model: Model) -> Task:
    shape = model.denoise.image_shape
    picture = read_exactly("image", config.image, shape, config.fit)
    alone = (*shape[:2], 1)
    paint = read_exactly("mask", own.mask, alone, config.fit, filled=0) > 127
    if not paint.any():
        raise SettingError(
            "mask",
            own.mask,
            "black everywhere, so nothing would be painted; make it white where to "
            "paint",
        )
    found = sampled(config, own, model)
    _, sampler, grid, _ = found
    if own.resamplings != 1:
        grid = resampled_grid(grid, own.resamplings, own.jump)
    return Task(
        np.where(paint, np.uint8(127), picture),
        evaluations(sampler) * (int(grid.size) - 1) + 1,
        lambda: inpaint(
            *found,
            picture=to_float(picture),
            mask=paint,
            resamplings=own.resamplings,
            jump=own.jump,
        ),
    )


def _compose(config: EditingConfig, own: ComposeConfig, model: Model) -> Task:
    shape = model.denoise.image_shape
    picture = read_exactly("image", config.image, shape, config.fit)
    alone = (*shape[:2], 1)
    paint = read_exactly("mask", own.mask, alone, config.fit, filled=0) > 127
    if paint.all() or not paint.any():
        remedy = "leaves no seed or nothing to paint; make it white where to paint"
        raise SettingError("mask", own.mask, remedy)
    labels = np.resize(labels_of(config, model), config.count)
    weight = own.guidance if config.labels else 1.0
    guided = conditioned(model, labels, weight)
    plain = conditioned(model, labels, 1.0)
    grid = guided.schedule.grid(config.steps, config.spacing)
    levels = (own.noisiest, own.turn, own.last)
    return Task(
        np.where(paint, np.uint8(127), picture),
        evaluations_of(grid, own.cycles, levels),
        lambda: compose(
            guided,
            plain,
            grid,
            seeds_of(config),
            to_float(picture),
            paint,
            own.cycles,
            levels,
        ),
    )


def _sdedit(config: EditingConfig, own: SDEditConfig, model: Model) -> Task:
    check_strength(own.strength)
    picture = read_exactly("image", config.image, model.denoise.image_shape, config.fit)
    found = sampled(config, own, model)
    _, sampler, grid, _ = found
    visited = round(own.strength * int(grid.size))
    return Task(
        picture,
        evaluations(sampler) * max(visited - 1, 0) + 1,
        lambda: sdedit(*found, picture=to_float(picture), strength=own.strength),
    )


def _anomaly(config: EditingConfig, own: AnomalyConfig, model: Model) -> Task:
    check_strength(own.strength)
    picture = read_exactly("image", config.image, model.denoise.image_shape, config.fit)
    found = sampled(config, own, model)
    denoise, sampler, grid, seeds = found
    visited = round(own.strength * int(grid.size))
    apart = range(seeds.start, seeds.start + own.draws * len(seeds), own.draws)
    given = denoise, sampler, grid, apart, to_float(picture), own.strength, own.draws
    return Task(
        picture,
        own.draws * (evaluations(sampler) * max(visited - 1, 0) + 1),
        lambda: anomaly_map(*given) - 1.0,  # black where nothing differs
    )


def _super_resolve(
    config: EditingConfig, own: SuperResolveConfig, model: Model
) -> Task:
    small, size = read_small(config.image, model.denoise.image_shape, config.fit)
    factor = factor_between(size, model.denoise.image_shape)
    found = sampled(config, own, model)
    _, sampler, grid, _ = found
    return Task(
        enlarge(small, factor).numpy(),
        evaluations(sampler) * (int(grid.size) - 1) + 1,
        lambda: super_resolve(*found, small=to_float(small)),
    )


_TASKS: dict[str, Callable[[EditingConfig, Any, Model], Task]] = {
    "inpaint": _inpaint,
    "compose": _compose,
    "sdedit": _sdedit,
    "super_resolve": _super_resolve,
    "interpolate": interpolating,
    "variations": varying,
    "cycle": translating,
    "directions": moving,
    "anomaly": _anomaly,
}
