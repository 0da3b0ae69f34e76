"""What a network is asked on its way to pictures, for ranges that are fixed by it."""

from math import ceil
from typing import Any

import numpy as np

from pdm_tf.config import InputError, SamplingConfig
from pdm_tf.diffusion import respacing
from pdm_tf.export.litert_sampler import DenoiserSampler, callback_denoiser
from pdm_tf.export.quantising import Example
from pdm_tf.litert import LitertNetwork

STEPS = 50  # of one trajectory, about: more are shared among several pictures
LAST_SEED = 2**31 - 1  # whence seeds fall, so that no picture is drawn that is judged


def follow(
    network: LitertNetwork,
    model: dict[str, Any],
    sampling: SamplingConfig,
    sampler: str,
    count: int,
) -> list[Example]:
    """The inputs of a network on trajectories that visit `count` timesteps together.

    The timesteps are spread evenly over all; each trajectory takes every so-manieth of
    them, from noise to picture, with the guidance of the run, the classes in turn.

    Args:
      network: the float32 network.
      model: what `litert_sampler.describe` says of it.
      sampling: how it samples.
      sampler: name of the sampler.
      count: timesteps visited, 1 to T.

    Raises:
      InputError: a count beyond T.
    """
    timesteps = model["schedule"]["timesteps"]
    if not 1 <= count <= timesteps:
        raise InputError(f"--calibration_steps={count}: choose 1 to {timesteps}")
    asked: list[Example] = []

    def ask(z: np.ndarray, t: np.ndarray, labels: np.ndarray) -> tuple:
        for i in range(len(z)):
            row = slice(i, i + 1)
            asked.append({"z": z[row], "t": t[row], "labels": labels[row]})
        return network(z, t, labels)

    drawing = DenoiserSampler(callback_denoiser(ask, model), sampling)
    visited = respacing.spread(timesteps, str(count))
    walks = ceil(count / STEPS)
    for k in range(walks):
        seed, label = LAST_SEED - k, k % max(1, model["num_classes"])
        program = visited[k::walks][::-1]
        drawing.visit([seed], [label], program, sampling.sample_guidance, sampler)
    return asked
