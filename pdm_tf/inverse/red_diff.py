"""RED-diff: a variational look at inverse problems (arXiv 2305.04391)."""

from dataclasses import dataclass

import tensorflow as tf

from pdm_tf.config.inverse import RedDiffConfig as Config
from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.diffusion.gaussian import noised
from pdm_tf.inverse.problem import Problem, residual
from pdm_tf.samplers import integrate
from pdm_tf.samplers.sampler import Denoise, Seeds

PAPER = "arXiv 2305.04391"
NEEDS_GRADIENT = False
_BETAS, _TINY = (0.9, 0.99), 1e-8  # of Adam

State = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


def balance(problem: Problem, config: Config) -> float:
    """How strongly the regulariser counts beside the measurement, in sums.

    Both terms are means, one over m measurements and one over n pixels: so the weight
    that is set counts m/n times, which differs with every mask and factor.
    """
    operator = problem.operator
    return config.weight * operator.count / operator.size


def gradient(
    problem: Problem, mu: tf.Tensor, x: tf.Tensor, factor: tf.Tensor | float
) -> tf.Tensor:
    """Hᵀ(H mu - y)/m + factor·(mu - x)/n: no derivative of the denoiser is in it."""
    operator = problem.operator
    misfit = operator.adjoint(-residual(problem, mu), mu) / operator.count
    return misfit + factor * (mu - x) / operator.size


def factor_of(config: Config, level: NoiseLevel) -> tf.Tensor:
    """w_t·sqrt(a/(1 - a)) of the weighting, since the noise error is that of x."""
    root = tf.exp(-0.5 * level.log_snr)  # sqrt((1 - a) / a)
    w = {
        "linear": lambda: root,
        "sqrt": lambda: tf.sqrt(root),
        "square": lambda: tf.square(root),
        "log": lambda: tf.math.log1p(root),
        "clipped": lambda: tf.minimum(root, 1.0),
        "power": lambda: root ** (2 / 3),
        "constant": lambda: tf.ones_like(root),
    }[config.weighting]()
    return config.weight * w / root


@dataclass(frozen=True, eq=False)
class Descent:
    """A step of Adam on the picture itself, which runs through the loop in z's place.

    At each level the picture is noised anew; the denoiser says where it should be.
    """

    problem: Problem
    config: Config

    @property
    def convergence_order(self) -> int | None:
        return None

    def init(self, z: tf.Tensor) -> State:
        return tf.zeros_like(z), tf.zeros_like(z), tf.zeros([], z.dtype)

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: State,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, State]:
        x = denoise(noised(z, noise, level), level).x
        slope = gradient(self.problem, z, x, factor_of(self.config, level))
        first, second, count = state
        first = _BETAS[0] * first + (1 - _BETAS[0]) * slope
        second = _BETAS[1] * second + (1 - _BETAS[1]) * tf.square(slope)
        count += 1.0
        mean = first / (1 - _BETAS[0] ** count)
        size = tf.sqrt(second / (1 - _BETAS[1] ** count))
        return z - self.config.rate * mean / (size + _TINY), (first, second, count)


def solve(
    denoise: Denoiser, problem: Problem, grid: Grid, seeds: Seeds, config: Config
) -> tf.Tensor:
    """A picture that fits the measurement and that the denoiser leaves where it is.

    It is a most likely point and no sample: seeds differ by the noise on the way.

    Args:
      denoise: the denoiser, conditioned or guided already.
      problem: what was measured.
      grid: S levels, noisiest first: one evaluation each.
      seeds: int32 [N], one for each result.
      config: step size, weight and its course over the levels.

    Returns:
      float32 [N, H, W, C].
    """
    # The loop evaluates at every level but the last, which hence comes twice.
    grid = Grid(*(tf.concat([levels, levels[-1:]], 0) for levels in grid))
    start = problem.operator.pinv(tf.convert_to_tensor(problem.y))
    start = tf.broadcast_to(start, [len(seeds), *problem.operator.shape])
    return integrate(denoise, Descent(problem, config), grid, seeds, start)
