"""The estimate moved to what was measured: DDNM (arXiv 2212.00490), replacement."""

import tensorflow as tf

from pdm_tf.config.inverse import DDNMConfig as Config
from pdm_tf.denoisers import Denoiser, Prediction
from pdm_tf.denoisers.denoiser import Wrapper
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.inverse.problem import Problem
from pdm_tf.samplers import open_sampler, sample
from pdm_tf.samplers.sampler import Seeds

PAPER = "arXiv 2212.00490"
NEEDS_GRADIENT = False


def ridge_of(problem: Problem, level: NoiseLevel) -> tf.Tensor | float:
    """sigma² / r², r² = 1 - a being about how much of x is open at a level."""
    sigma = problem.operator.sigma
    return sigma**2 / tf.square(level.noise) if sigma else 0.0


class Projected(Wrapper):
    """x + H⁺(y - H x): what was measured replaces what the denoiser says of it.

    With noise in the measurement H⁺ is softened by `ridge_of`, so that it counts where
    the estimate is still rougher than it (our rule; DDNM+ scales singular vectors).
    """

    def __init__(self, denoise: Denoiser, problem: Problem) -> None:
        super().__init__(denoise)
        self.problem = problem

    def changed(self, prediction: Prediction, level: NoiseLevel) -> Prediction:
        ridge = ridge_of(self.problem, level)
        x = self.problem.operator.fitted(prediction.x, self.problem.y, ridge)
        return Prediction(x, prediction.variance)


def solve(
    denoise: Denoiser, problem: Problem, grid: Grid, seeds: Seeds, config: Config
) -> tf.Tensor:
    """Samples with every estimate moved to the nearest that fits; see `red_diff`."""
    held = Projected(denoise, problem)
    sampler = open_sampler(config.sampler)
    return sample(held, sampler, grid, seeds, denoise.image_shape)
