"""Settings of several rooms that must fit each other, checked before all else."""

import math
from dataclasses import asdict

import numpy as np

from pdm_tf.config import Config, SamplingConfig
from pdm_tf.config.augmenting import TRANSFORMS
from pdm_tf.config.conditioning import conditions_of, read_values
from pdm_tf.denoisers.guidance import check_interval
from pdm_tf.denoisers.threshold import check_percentile
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.errors import SettingError
from pdm_tf.samplers import Sampler, open_sampler
from pdm_tf.serving.description import open_schedule
from pdm_tf.training.report_writers import check_reports
from pdm_tf.training.settings import check_averaging, check_count, check_training

_LONGEST = 1_000_000  # timesteps; more than any schedule needs, and soon computed


def build_schedule(config: Config) -> NoiseSchedule:
    """The schedule of a run."""
    shape = {"image_shape": config.network.image_shape}
    return open_schedule({**asdict(config.diffusion), **shape})


def check_settings(config: Config) -> None:
    """Raises SettingError for settings that no training can run with."""
    sampling = config.sampling
    check_training(config.training)
    check_averaging(config.averaging)
    check_transforms(config.augmenting.augment_transforms)
    check_reports(config.monitoring.reports)
    check_count("sample_images", sampling.sample_images)
    if not math.isfinite(sampling.sample_guidance):
        raise SettingError("sample_guidance", sampling.sample_guidance, "give a number")
    if config.diffusion.timesteps > _LONGEST:
        remedy = f"at most {_LONGEST}; the paper has 1000"
        raise SettingError("timesteps", config.diffusion.timesteps, remedy)
    if config.diffusion.zero_terminal and config.diffusion.prediction == "eps":
        remedy = "noise alone says nothing of the picture; use `prediction=v` or x"
        raise SettingError("zero_terminal", True, remedy)
    if config.learning.levels_std <= 0:
        raise SettingError("levels_std", config.learning.levels_std, "give more than 0")
    build_schedule(config).grid(sampling.sample_steps)
    sampler_of_grids(sampling)
    check_percentile(sampling.percentile)
    check_interval(sampling.guidance_interval)
    t_range(config)
    check_each(config)


def check_each(config: Config) -> None:
    """Raises SettingError for conditions, or weights of them, that make no sense."""
    conditions, given = conditions_of(config.network), config.sampling.guidance_each
    names = list(conditions.parts) if conditions else []
    read_values("guidance_each", given, names)


def check_transforms(names: tuple[str, ...]) -> None:
    """Raises SettingError for a transform of augmentation that there is not."""
    for name in names:
        if name not in TRANSFORMS:
            remedy = f"choose among {', '.join(TRANSFORMS)}"
            raise SettingError("augment_transforms", name, remedy)


def sampler_of_grids(sampling: SamplingConfig) -> Sampler:
    """What draws the grids of samples during training.

    Raises:
      SettingError: no such sampler.
    """
    return open_sampler(sampling.sample_sampler, sampling.variance, "sample_sampler")


def t_range(config: Config) -> tuple[int, int]:
    """First and last timestep that a run trains, both included.

    Raises:
      SettingError: a range of SNR in which there is none.
    """
    training = config.training
    low, high = training.snr_low, training.snr_high or np.inf
    snr = np.exp(build_schedule(config).log_snr)
    (inside,) = np.nonzero((snr >= low) & (snr <= high))
    if not inside.size:
        raise SettingError(
            "snr_low",
            low,
            "no timestep lies between; the schedule reaches from "
            f"{snr[-1]:.2g} to {snr[0]:.4g}",
            snr_high=training.snr_high,
        )
    return int(inside[0]), int(inside[-1])
