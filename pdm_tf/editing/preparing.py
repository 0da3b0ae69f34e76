"""What editing tasks have in common: a model, and what it is asked for."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.config import (
    AnomalyConfig,
    EditingConfig,
    InpaintConfig,
    SamplingConfig,
    SDEditConfig,
    SuperResolveConfig,
)
from pdm_tf.data.labels import find_labels
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import Grid
from pdm_tf.errors import SettingError
from pdm_tf.samplers import Sampler, open_sampler


class Task(NamedTuple):
    """A task that is ready: its settings and pictures fit the model.

    Attributes:
      given: what is shown of the input, uint8 [M, H, W, C].
      evaluations: of the denoiser, at most.
      work: does it; float32 [rows·N, H, W, C] in [-1, 1].
      rows: of the sheet, each of the input and N results.
    """

    given: np.ndarray
    evaluations: int
    work: Callable[[], tf.Tensor]
    rows: int = 1


class Model(NamedTuple):
    """What edits, the settings by which it samples, and the names of its classes.

    `target` draws the results of translations; None: the model itself does. `energy`
    has the classifier that leads to their classes; None: labels condition the target.
    """

    denoise: Denoiser
    sampling: SamplingConfig
    class_names: tuple[str, ...] = ()
    target: "Model | None" = None
    energy: "Model | None" = None


def sampled(
    config: EditingConfig,
    own: AnomalyConfig | InpaintConfig | SDEditConfig | SuperResolveConfig,
    model: Model,
) -> tuple[Denoiser, Sampler, Grid, range]:
    """Denoiser, sampler, grid and seeds of a task that samples."""
    scale = model.denoise.schedule.noise_scale
    sampler = open_sampler(own.sampler, noise_scale=scale)
    labels = np.resize(labels_of(config, model), config.count)
    weight = own.guidance if config.labels else 1.0
    denoise = conditioned(model, labels, weight)
    grid = denoise.schedule.grid(config.steps, config.spacing)
    return denoise, sampler, grid, seeds_of(config)


def encoded(config: EditingConfig, model: Model) -> tuple[Denoiser, Grid]:
    """Denoiser and grid of a task that encodes; guided ones are hard to invert."""
    given = labels_of(config, model)
    if isinstance(given, list) and len(given) > 1:
        raise SettingError("labels", config.labels, "give one for this task, or none")
    denoise = conditioned(model, np.resize(given, 1), weight=1.0)
    return denoise, denoise.schedule.grid(config.steps, config.spacing)


def conditioned(model: Model, labels: np.ndarray, weight: float) -> Denoiser:
    """The denoiser given its classes, guided and thresholded as its run samples."""
    return for_sampling(model.denoise, labels.astype(np.int32), weight, model.sampling)


def labels_of(config: EditingConfig, model: Model) -> list[int] | int:
    """The labels given, or the null label."""
    classes = model.denoise.num_classes
    return find_labels(config.labels, classes, model.class_names) or classes


def seeds_of(config: EditingConfig) -> range:
    return range(config.seed, config.seed + config.count)
