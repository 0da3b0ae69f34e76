"""Iterative latent variable refinement: each z takes part of another (2108.02938)."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from pdm_tf.config.inverse import ILVRConfig as Config
from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.errors import InputError
from pdm_tf.inverse.problem import Problem
from pdm_tf.samplers import open_sampler, sample
from pdm_tf.samplers.sampler import Denoise, Seeds
from pdm_tf.samplers.wrapper import SamplerWrapper

PAPER = "arXiv 2108.02938"
NEEDS_GRADIENT = False


@dataclass(frozen=True, eq=False)
class Refined(SamplerWrapper):
    """A sampler after each of whose steps z has what noised measurements have.

    The noise of the step serves both: what H sees of it goes to the measurement, the
    rest stays in z, and the two are independent.
    """

    problem: Problem
    until: float  # log SNR from which on z is left alone

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
        operator = self.problem.operator
        wanted = to.signal * self.problem.y + to.noise * operator.forward(noise)
        refined = operator.fitted(z, wanted)
        return tf.where(to.log_snr <= self.until, refined, z), state


def solve(
    denoise: Denoiser, problem: Problem, grid: Grid, seeds: Seeds, config: Config
) -> tf.Tensor:
    """Samples with z held to the measurement, noised alike; see `red_diff`.

    Raises:
      InputError: an operator that is not linear, whose measurements cannot be noised.
    """
    if not problem.operator.linear:
        raise InputError("ilvr needs a linear operator; take red_diff or dps")
    last = int(grid.size) - 1
    until = grid.log_snr[round(config.until * last)]
    sampler = Refined(open_sampler(config.sampler), problem, float(until))
    return sample(denoise, sampler, grid, seeds, denoise.image_shape)
