"""Pseudo-inverse guidance (Song et al., "Pseudoinverse-guided diffusion models …").

International Conference on Learning Representations, 2023; openreview 9_gsMA8MRKQ. The
picture given z is taken as normal about the estimate, variance r² = 1 - a, so that
p(y | z) is normal too.
"""

from dataclasses import dataclass

import tensorflow as tf

from pdm_tf.config.inverse import PiGDMConfig as Config
from pdm_tf.denoisers import Denoiser, Prediction
from pdm_tf.denoisers.denoiser import Carry, Wrapper
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.diffusion.gaussian import eps_from_x, noised
from pdm_tf.inverse.ddnm import ridge_of
from pdm_tf.inverse.problem import Problem, pulled_back
from pdm_tf.samplers import DDIM, fresh_share, sample
from pdm_tf.samplers.sampler import Denoise, Seeds

PAPER = "openreview 9_gsMA8MRKQ"
NEEDS_GRADIENT = True


def direction(problem: Problem, x: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
    """r² Hᵀ(r² H Hᵀ + sigma²)⁻¹ (y - H x): [N, H, W, C]."""
    return problem.operator.fitted(x, problem.y, ridge_of(problem, level)) - x


class PosteriorMean(Wrapper):
    """E[x | z, y] = x + (1 - a)/sqrt(a)·∇ log p(y | z).

    Exact for normal pictures of independent pixels of variance 1, of which r² is the
    variance given z.
    """

    def __init__(self, denoise: Denoiser, problem: Problem) -> None:
        super().__init__(denoise)
        self.problem = problem

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        with tf.GradientTape() as tape:
            tape.watch(z)
            (x, variance), carry = self.denoise.predict(z, level, carry)
        way = direction(self.problem, x, level)
        moved = x + pulled_back(tape, x, z, way) / level.signal
        return Prediction(moved, variance), carry


@dataclass(frozen=True, eq=False)
class Guided:
    """DDIM whose picture is moved by sqrt(a)·Jᵀ direction; its noise is not.

    The rule of the authors' algorithm, r² times the gradient of log p(y | z) at every
    step, whatever its length: stronger than `PosteriorMean` where steps are small.
    """

    problem: Problem
    eta: float

    @property
    def convergence_order(self) -> int | None:
        return None

    def init(self, z: tf.Tensor) -> tuple:
        return ()

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: tuple,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, tuple]:
        with tf.GradientTape() as tape:
            tape.watch(z)
            x = denoise(z, level).x
        way = direction(self.problem, x, level)
        moved = x + level.signal * pulled_back(tape, x, z, way)
        eps = eps_from_x(z, x, level)
        fresh = fresh_share(level, to, self.eta)
        eps = tf.sqrt(1.0 - fresh) * eps + tf.sqrt(fresh) * noise
        return noised(moved, eps, to), state


def solve(
    denoise: Denoiser, problem: Problem, grid: Grid, seeds: Seeds, config: Config
) -> tf.Tensor:
    """Samples with the pseudo-inverse's pull on every step; see `red_diff`."""
    shape = denoise.image_shape
    if config.rule == "posterior":
        guided = PosteriorMean(denoise, problem)
        return sample(guided, DDIM(config.eta), grid, seeds, shape)
    return sample(denoise, Guided(problem, config.eta), grid, seeds, shape)
