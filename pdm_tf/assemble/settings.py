"""Settings that no training can run with are refused before anything is built."""

import math
from pathlib import Path

import numpy as np

from pdm_tf.config import Config, SamplingConfig
from pdm_tf.denoisers.guidance import check_interval
from pdm_tf.denoisers.threshold import check_percentile
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.errors import SettingError
from pdm_tf.samplers import Sampler, open_sampler

_LONGEST = 1_000_000  # timesteps; more than any schedule needs, and soon computed
_LAST_SEED = 2**31 - 1
_COUNTS = (
    "iterations",
    "batch_size",
    "steps_per_call",
    "log_every",
    "save_every",
    "ema_every",
    "keep",
)
_AMOUNTS = (  # 0 or more
    "learning_rate",
    "warmup",
    "clip_norm",
    "sample_every",
    "snr_low",
    "snr_high",
    "microbatch",
    "watch_steps",
)


def build_schedule(config: Config) -> NoiseSchedule:
    """The schedule of a run."""
    return NoiseSchedule.linear(config.diffusion.timesteps, config.diffusion.beta_end)


def check_settings(config: Config) -> None:
    """Raises SettingError for settings that no training can run with."""
    training, sampling = config.training, config.sampling
    for name in _COUNTS:
        _check_count(name, getattr(training, name))
    _check_count("sample_images", sampling.sample_images)
    for name in _AMOUNTS:
        value = getattr(training, name)
        if not (value >= 0 and math.isfinite(value)):
            raise SettingError(name, value, "give 0 or more")
    for name in ("label_dropout", "ema_decay", "beta_1", "beta_2"):
        value = getattr(training, name)
        if not 0 <= value <= 1 or (name.startswith("beta") and value == 1):
            raise SettingError(name, value, "give a fraction between 0 and 1")
    if not 0 <= training.seed <= _LAST_SEED:
        raise SettingError("seed", training.seed, f"choose from 0 to {_LAST_SEED}")
    if not math.isfinite(sampling.sample_guidance):
        raise SettingError("sample_guidance", sampling.sample_guidance, "give a number")
    if config.diffusion.timesteps > _LONGEST:
        remedy = f"at most {_LONGEST}; the paper has 1000"
        raise SettingError("timesteps", config.diffusion.timesteps, remedy)
    _check_directories(training.run_dir, training.init_from)
    build_schedule(config).grid(sampling.sample_steps)
    sampler_of_grids(sampling)
    check_percentile(sampling.percentile)
    check_interval(sampling.guidance_interval)
    t_range(config)


def sampler_of_grids(sampling: SamplingConfig) -> Sampler:
    """What draws the grids of samples during training.

    Raises:
      SettingError: no such sampler.
    """
    return open_sampler(sampling.sample_sampler, sampling.variance, "sample_sampler")


def _check_count(name: str, value: int) -> None:
    if value < 1:
        raise SettingError(name, value, "at least 1 is needed")


def _check_directories(own: str, source: str) -> None:
    if not own.strip() or not own.isprintable():
        raise SettingError("run_dir", repr(own), "name a directory")
    if not source.isprintable():
        raise SettingError("init_from", repr(source), "name the directory of a run")
    if source and Path(source).resolve() == Path(own).resolve():
        raise SettingError(
            "init_from",
            source,
            "is the run's own directory; leave it out to resume the run, or give "
            "another `run_dir`",
        )


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
