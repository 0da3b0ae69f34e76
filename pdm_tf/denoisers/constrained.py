"""Holds the x0 estimate to what is known about the picture."""

from collections.abc import Callable

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser, Prediction, Wrapper
from pdm_tf.diffusion import NoiseLevel

Constraint = Callable[[tf.Tensor], tf.Tensor]


class Constrained(Wrapper):
    """A denoiser whose estimate is moved to the nearest picture that is allowed."""

    def __init__(self, denoise: Denoiser, constraint: Constraint) -> None:
        super().__init__(denoise)
        self.constraint = constraint

    def changed(self, prediction: Prediction, level: NoiseLevel) -> Prediction:
        return Prediction(self.constraint(prediction.x), prediction.variance)


def constrained(denoise: Denoiser, constraint: Constraint) -> Denoiser:
    """The denoiser with every estimate changed by a constraint on x.

    A constraint in x holds at every level at once: the sampler's step then draws z
    from what the forward process makes of an allowed picture, and the trajectory ends
    on one. Constrain last: guidance doubles the batch inside, and clips.

    Args:
      denoise: the inner denoiser.
      constraint: x [B, H, W, C] -> the nearest allowed picture, of the same shape.
    """
    return Constrained(denoise, constraint)
