"""The states of a trajectory, one after the other: what a film of sampling shows."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.samplers.noise import Seeds
from pdm_tf.samplers.sampler import Denoise, Sampler, sample_from, start
from pdm_tf.samplers.wrapper import SamplerWrapper


@dataclass(frozen=True, eq=False)  # a graph of its own: it keeps what passes through
class Filmed(SamplerWrapper):
    """A sampler whose states are kept as they come; it steps as it did.

    Samples on the machine where it was made; nothing of it can be exported.

    Attributes:
      sampler: what steps.
      states: those after each step so far, float32 [N, H, W, C].
    """

    states: list[np.ndarray] = field(default_factory=list, compare=False)

    @property
    def convergence_order(self) -> int | None:
        return self.sampler.convergence_order

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: Any,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, Any]:
        z, state = self.sampler.step(denoise, z, level, to, state, noise)
        kept = tf.numpy_function(self._keep, [z], z.dtype)  # in the flow of data
        return tf.ensure_shape(kept, z.shape), state

    def _keep(self, z: np.ndarray) -> np.ndarray:
        self.states.append(np.array(z))
        return z


def film(
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds,
    image_shape: tuple[int, ...],
) -> np.ndarray:
    """Samples, and keeps z at every level of the grid, then the picture.

    Args: as of `sample`.

    Returns:
      float32 [S + 1, N, H, W, C] for S levels; the last is what `sample` gives.
    """
    filmed, z = Filmed(sampler), start(seeds, image_shape)
    x = sample_from(denoise, filmed, grid, seeds, z)
    return np.stack([z.numpy(), *filmed.states, x.numpy()])
