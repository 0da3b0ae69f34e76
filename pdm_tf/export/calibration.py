"""Inputs of a network on its way to pictures, for ranges that are fixed beforehand."""

from math import ceil

import numpy as np

from pdm_tf.config import SamplingConfig
from pdm_tf.diffusion import respacing
from pdm_tf.errors import SettingError
from pdm_tf.export.quantising import Example
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.litert_generator import callback_denoiser
from pdm_tf.serving.litert_network import LitertNetwork

STEPS = 50  # of one trajectory, about: more are shared among several pictures
LAST_SEED = 2**31 - 1  # whence seeds fall, so that none is one that is compared


def calibration_examples(
    network: LitertNetwork,
    description: dict,
    sampling: SamplingConfig,
    sampler: str,
    count: int,
) -> list[Example]:
    """The inputs of a network on trajectories that visit `count` timesteps together.

    The timesteps are spread evenly over all; of n trajectories each takes every n-th of
    them, from noise to picture, with the guidance of the run, the classes in turn.

    Args:
      network: the float32 network.
      description: its model's, see `export.litert.describe`.
      sampling: how it samples.
      sampler: name of the sampler.
      count: timesteps visited, 1 to T.

    Raises:
      SettingError: a count beyond T.
    """
    timesteps = description["timesteps"]
    if not 1 <= count <= timesteps:
        raise SettingError("calibration_steps", count, f"choose 1 to {timesteps}")
    examples: list[Example] = []

    def evaluate(z: np.ndarray, t: np.ndarray, labels: np.ndarray) -> tuple:
        for i in range(len(z)):
            row = slice(i, i + 1)
            examples.append({"z": z[row], "t": t[row], "labels": labels[row]})
        return network(z, t, labels)

    generator = DenoiserGenerator(callback_denoiser(evaluate, description), sampling)
    visited = respacing.spread(timesteps, str(count))
    trajectories = ceil(count / STEPS)
    for k in range(trajectories):
        seed, label = LAST_SEED - k, k % max(1, generator.num_classes)
        levels, weight = visited[k::trajectories][::-1], sampling.sample_guidance
        generator.generate_at([seed], [label], levels, weight, sampler)
    return examples
