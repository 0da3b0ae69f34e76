"""Inputs of a network on its way to pictures, for ranges that are fixed beforehand."""

from math import ceil

import numpy as np
import tensorflow as tf

from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import NoiseSchedule, respacing
from pdm_tf.errors import SettingError
from pdm_tf.export.quantising import Example
from pdm_tf.samplers import open_samplers, record

STEPS = 50  # of one trajectory, about: more are shared among several pictures
LAST_SEED = 2**31 - 1  # whence seeds fall, so that none is one that is compared


def calibration_examples(
    denoiser: Denoiser, sampling: SamplingConfig, sampler: str, count: int
) -> list[Example]:
    """The inputs of a network on trajectories that visit `count` timesteps together.

    The timesteps are spread evenly over all; of n trajectories each takes every n-th of
    them, from noise to picture, with the guidance of the run, the classes in turn.

    Args:
      denoiser: the float32 model.
      sampling: how it samples.
      sampler: name of the sampler.
      count: timesteps visited, 1 to T.

    Raises:
      SettingError: a count beyond T.
    """
    timesteps = denoiser.schedule.timesteps
    if not 1 <= count <= timesteps:
        raise SettingError("calibration_steps", count, f"choose 1 to {timesteps}")
    visited = respacing.spread(timesteps, str(count))
    step = open_samplers([sampler], sampling.variance)[sampler]
    examples: list[Example] = []
    trajectories = ceil(count / STEPS)
    for k in range(trajectories):
        label = [k % max(1, denoiser.num_classes)]
        guided = for_sampling(denoiser, label, sampling.sample_guidance, sampling)
        grid = denoiser.schedule.visiting(tf.constant(visited[k::trajectories][::-1]))
        rows = record(guided, step, grid, [LAST_SEED - k])
        for i in range(len(rows.t)):
            row = slice(i, i + 1)
            z, t = _as_asked(denoiser.schedule, rows.z[row], rows.t[row])
            examples.append({"z": z, "t": t, "labels": rows.labels[row]})
    return examples


def _as_asked(
    schedule: NoiseSchedule, z: np.ndarray, t: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """z and timesteps as the `denoise` signature takes them."""
    level = schedule.level(t)
    time = schedule.time(level).numpy() if schedule.continuous else t
    return schedule.as_trained(tf.constant(z), level).numpy(), time
