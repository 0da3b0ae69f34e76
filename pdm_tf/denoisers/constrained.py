"""Holds an estimate to what is known about the picture."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser, Prediction, StatefulDenoiser
from pdm_tf.diffusion import NoiseLevel

Constraint = Callable[[tf.Tensor], tf.Tensor]


class Constrained(StatefulDenoiser):
    """A denoiser whose estimate is moved to the nearest picture that is allowed."""

    def __init__(self, denoise: Denoiser, constraint: Constraint) -> None:
        self.denoise, self.constraint = denoise, constraint
        self.image_shape, self.schedule = denoise.image_shape, denoise.schedule
        self.num_classes, self.parts = denoise.num_classes, denoise.parts

    def conditioned(self, labels: tf.Tensor) -> "Constrained":
        return Constrained(self.denoise.conditioned(labels), self.constraint)

    def init_carry(self, z: tf.Tensor) -> Any:
        return self.denoise.init_carry(z)

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Any
    ) -> tuple[Prediction, Any]:
        (x, variance), carry = self.denoise.predict(z, level, carry)
        return Prediction(self.constraint(x), variance), carry


def constrained(denoise: Denoiser, constraint: Constraint) -> Denoiser:
    """The denoiser with every estimate changed by a constraint on x.

    A constraint in x holds at every level at once: the sampler's step then draws z
    from what the forward process makes of an allowed picture, and the trajectory ends
    on one. Constrain last: guidance doubles the batch inside, and clips.

    Args:
      denoise: what is asked.
      constraint: x [B, H, W, C] -> the nearest allowed picture, of the same shape.
    """
    return Constrained(denoise, constraint)
