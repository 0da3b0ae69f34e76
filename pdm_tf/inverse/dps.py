"""Diffusion posterior sampling: a gradient step after each step (arXiv 2209.14687)."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from pdm_tf.config.inverse import DPSConfig as Config
from pdm_tf.denoisers import Denoiser, Prediction
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.inverse.problem import Problem, pulled_back, residual
from pdm_tf.samplers import open_sampler, sample
from pdm_tf.samplers.sampler import Denoise, Seeds
from pdm_tf.samplers.wrapper import SamplerWrapper

PAPER = "arXiv 2209.14687"
NEEDS_GRADIENT = True
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class Descending(SamplerWrapper):
    """A sampler's step, then one down the slope of |y - H x(z)| (algorithm 1 there)."""

    problem: Problem
    scale: float

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: Any,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, Any]:
        seen: list[Prediction] = []

        def kept(z: tf.Tensor, level: NoiseLevel) -> Prediction:
            seen.append(denoise(z, level))
            return seen[-1]

        with tf.GradientTape() as tape:
            tape.watch(z)
            moved, state = self.sampler.step(kept, z, level, to, state, noise)
        x = seen[0].x
        left = residual(self.problem, x)
        axes = list(range(1, left.shape.rank))
        size = tf.sqrt(tf.reduce_sum(tf.square(left), axis=axes, keepdims=True))
        fitting = self.problem.operator.adjoint(left / (size + _TINY), x)
        return moved + self.scale * pulled_back(tape, x, z, fitting), state


def solve(
    denoise: Denoiser, problem: Problem, grid: Grid, seeds: Seeds, config: Config
) -> tf.Tensor:
    """Samples, each step pulled towards the measurement; see `red_diff`."""
    sampler = Descending(open_sampler(config.sampler), problem, config.scale)
    return sample(denoise, sampler, grid, seeds, denoise.image_shape)
