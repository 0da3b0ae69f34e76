"""Holds a belief to what is known about the picture."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser, Prediction, RememberingDenoiser
from pdm_tf.diffusion import NoiseLevel

Constraint = Callable[[tf.Tensor], tf.Tensor]


class Constrained(RememberingDenoiser):
    """A denoiser whose belief is moved to the nearest picture that is allowed."""

    def __init__(self, denoise: Denoiser, constraint: Constraint) -> None:
        self.denoise, self.constraint = denoise, constraint
        self.image_shape, self.schedule = denoise.image_shape, denoise.schedule
        self.num_classes, self.parts = denoise.num_classes, denoise.parts

    def labelled(self, labels: tf.Tensor) -> "Constrained":
        return Constrained(self.denoise.labelled(labels), self.constraint)

    def memory(self, z: tf.Tensor) -> Any:
        return self.denoise.memory(z)

    def recall(
        self, z: tf.Tensor, level: NoiseLevel, memory: Any
    ) -> tuple[Prediction, Any]:
        (x, variance), memory = self.denoise.recall(z, level, memory)
        return Prediction(self.constraint(x), variance), memory


def constrained(denoise: Denoiser, constraint: Constraint) -> Denoiser:
    """The denoiser with every belief changed by a constraint on x.

    A constraint in x holds at every level at once: the sampler's step then draws z
    from what the forward process makes of an allowed picture, and the walk ends on
    one. Constrain last: guidance doubles the batch inside, and clips.

    Args:
      denoise: what is asked.
      constraint: x [B, H, W, C] -> the nearest allowed picture, of the same shape.
    """
    return Constrained(denoise, constraint)
