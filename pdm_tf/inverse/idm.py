"""What a model learnt of one operator, in a few steps: IDM (arXiv 2403.17006)."""

import tensorflow as tf

from pdm_tf.config.inverse import IDMConfig as Config
from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid
from pdm_tf.errors import InputError
from pdm_tf.inverse.problem import Problem
from pdm_tf.inverse.restorer import Restorer, restorer_of
from pdm_tf.samplers.sampler import Seeds

PAPER = "arXiv 2403.17006"
NEEDS_GRADIENT = False


def known(denoise: Denoiser) -> Restorer:
    """The restorer of a model.

    Raises:
      InputError: it has none.
    """
    found = restorer_of(denoise)
    if found is None:
        raise InputError(
            "the model has not learnt to restore; make one of it by python -m "
            "pdm_tf.distillation idm, or take red_diff"
        )
    return found


def solve(
    denoise: Denoiser, problem: Problem, grid: Grid, seeds: Seeds, config: Config
) -> tf.Tensor:
    """The picture that the model restores: one, of whatever seed.

    The grid is not looked at: the model has its own few steps.

    Raises:
      InputError: a model that has not learnt to restore, or has of another operator.
    """
    restorer = known(denoise)
    own = restorer.operator
    if not own.same_as(problem.operator):
        raise InputError(
            f"the model has learnt what `operator=compressed:{own.ratio:g}` with "
            f"`operator_seed={own.seed}` measures and nothing else; measure with that, "
            "or take red_diff"
        )
    x = tf.function(restorer, autograph=False)(tf.convert_to_tensor(problem.y))
    return x if len(x) == len(seeds) else tf.repeat(x, len(seeds), axis=0)
