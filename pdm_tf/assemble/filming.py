"""A film of how a model samples, or of how its pictures change with their noise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from pdm_tf.assemble.editing import open_editor
from pdm_tf.config import SampleConfig
from pdm_tf.config.sampling import BEST
from pdm_tf.data.images import contact_sheet, to_uint8
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.editing.interpolate import slerp
from pdm_tf.editing.tasks import Model
from pdm_tf.errors import SettingError
from pdm_tf.samplers import SPACINGS, open_sampler
from pdm_tf.samplers.filming import film
from pdm_tf.samplers.sampler import sample_from, start
from pdm_tf.serving.client import assign_labels
from pdm_tf.storage.films import write_film

_MOST = 64  # pictures of a film


def make_film(config: SampleConfig) -> Path:
    """Writes OUT_DIR/film.gif, .webp or .mp4; returns its path.

    Of an export its estimates are taken, and the sampling is computed here.

    Args:
      config: the command line of sample.py.

    Raises:
      InputError: no model, or settings that do not fit it.
    """
    model, _ = open_editor(config.model, config.trust_model)
    steps = config.steps or str((model.denoise.own_sampler or BEST).steps)
    name = config.sampler or (model.denoise.own_sampler or BEST).sampler
    if not steps.isdecimal():
        raise SettingError("steps", steps, "a film needs a number of steps")
    count = min(config.num_images, _MOST)
    seeds = np.arange(config.seed, config.seed + count, dtype=np.int32)
    make = _walk if config.film_walk else _denoising
    states = make(model, config, seeds, name, int(steps))
    frames = np.stack([contact_sheet(to_uint8(state)) for state in states])
    path = Path(config.out_dir) / f"film.{config.film}"
    write_film(path, frames, config.film_rate)
    return path


def _denoising(
    model: Model, config: SampleConfig, seeds: np.ndarray, name: str, steps: int
) -> np.ndarray:
    """z at every level, and the pictures: float32 [steps + 1, N, H, W, C]."""
    labels = _labels(model, config)
    denoise = _guided(model, config, labels[: len(seeds)])
    grid = denoise.schedule.grid(steps, SPACINGS[name])
    sampler = open_sampler(name, model.sampling.variance, "sampler")
    return film(denoise, sampler, grid, seeds.tolist(), denoise.image_shape)


def _walk(
    model: Model, config: SampleConfig, seeds: np.ndarray, name: str, steps: int
) -> np.ndarray:
    """Pictures while the noise goes from seed to seed: float32 [F, 1, H, W, C].

    All have one class, the first asked for, and the noise of the first seed in all
    steps; a sampler without noise, such as ddim, changes the least in between.
    """
    labels = _labels(model, config)[:1]
    denoise = _guided(model, config, labels)
    grid = denoise.schedule.grid(steps, SPACINGS[name])
    sampler = open_sampler(name, model.sampling.variance, "sampler")
    ends = start(seeds.tolist(), denoise.image_shape)
    shares = np.linspace(0, 1, config.film_walk, endpoint=False)
    way = [
        slerp(ends[k : k + 1], ends[k + 1 : k + 2], share)
        for k in range(len(seeds) - 1)
        for share in shares.astype(np.float32)
    ]
    first = seeds[:1].tolist()
    made = [sample_from(denoise, sampler, grid, first, z) for z in [*way, ends[-1:]]]
    return np.stack([x.numpy() for x in made])


def _labels(model: Model, config: SampleConfig) -> np.ndarray:
    denoise = model.denoise
    asked = denoise.num_classes, model.class_names, denoise.conditions
    return assign_labels(config, *asked)


def _guided(model: Model, config: SampleConfig, labels: np.ndarray) -> Denoiser:
    weight = config.guidance
    if weight is None:
        weight = model.sampling.sample_guidance
    each = config.guidance_each or model.sampling.guidance_each
    sampling = replace(model.sampling, guidance_each=each)
    return for_sampling(model.denoise, tf.constant(labels), weight, sampling)
