"""What a solver is given, and what it needs of a model."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.errors import InputError
from pdm_tf.inverse.operators import Operator

_STEP = 0.1  # of the difference quotient, in units of the noise
_ALIKE = 3.0  # how far it and the derivative may be apart, as a factor


class Problem(NamedTuple):
    """What was measured.

    Attributes:
      operator: what measured it.
      y: float32 [1 or N, …].
      truth: the pictures, uint8 [1 or N, H, W, C]; None where nobody knows them.
    """

    operator: Operator
    y: np.ndarray | tf.Tensor
    truth: np.ndarray | None = None


def residual(problem: Problem, x: tf.Tensor) -> tf.Tensor:
    """y - H x, [N, …]."""
    return problem.y - problem.operator.forward(x)


def pulled_back(
    tape: tf.GradientTape, x: tf.Tensor, z: tf.Tensor, direction: tf.Tensor
) -> tf.Tensor:
    """Jᵀ direction, J the derivative of the estimate x by z: [N, H, W, C]."""
    found = tape.gradient(x, z, output_gradients=tf.stop_gradient(direction))
    return tf.zeros_like(z) if found is None else found


def check_gradient(
    denoise: Denoiser, method: str, instead: str = "red_diff or ddnm"
) -> None:
    """Raises InputError for a model whose estimates TensorFlow cannot differentiate.

    Whole numbers and other runtimes give none, or only a part: the derivative is
    compared with a difference quotient.

    Args:
      denoise: for one picture.
      method: what needs it.
      instead: what does not.
    """
    shape = (1, *denoise.image_shape)
    z = tf.random.stateless_normal(shape, [0, 1])
    way = tf.random.stateless_normal(shape, [0, 2])
    level = denoise.schedule.level(denoise.schedule.timesteps // 2)
    ends = [denoise(z + far * way, level).x for far in (_STEP, -_STEP)]
    slope = (ends[0] - ends[1]) / (2 * _STEP)
    wanted = float(tf.reduce_sum(slope * slope))
    found = float(tf.reduce_sum(way * _derivative(denoise, z, level, slope)))
    if not wanted / _ALIKE < found < wanted * _ALIKE:
        raise InputError(
            f"{method} needs derivatives of the model, and this one gives none, as it "
            f"computes in whole numbers or in another runtime; take {instead}, or "
            "the model that it was made of"
        )


def _derivative(
    denoise: Denoiser, z: tf.Tensor, level: NoiseLevel, direction: tf.Tensor
) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(z)
        x = denoise(z, level).x
    try:
        return pulled_back(tape, x, z, direction)
    except LookupError:  # an operation without a derivative
        return tf.zeros_like(z)
