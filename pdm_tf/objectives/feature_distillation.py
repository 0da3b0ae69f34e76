"""A network in few bits learns to denoise, and to have the features it had before.

Features are compared on their principal axes alone: what a network of few bits cannot
have in all its channels it shall have where the most of it is (arXiv 2404.05662).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.denoisers.denoiser import Denoiser, Prediction
from pdm_tf.denoisers.objective import Loss
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.gaussian import noised
from pdm_tf.diffusion.losses import simple_loss
from pdm_tf.networks.watching import watching_blocks
from pdm_tf.objectives.draws import Draws, draw, kept_labels


class StepDraws(NamedTuple):
    """The random numbers of a batch, and how far the training is."""

    draws: Draws
    done: tf.Tensor  # float32 [B] in [0, 1), the same of every row


@dataclass(frozen=True, eq=False)
class FeatureDistillation:
    """L_simple of the student, and the distance of its features to the teacher's.

    The terms are simple, weighted as `diffusion.losses.weight` says, and features, the
    mean over blocks of the mean square of (s - t) K for the student's output s of a
    block, the teacher's t, and axes K.

    Attributes:
      teacher: denoiser that has the features, not conditioned yet.
      student: (share of the training that is done, float32 []) -> what learns.
      variables: those that learn, by the names that a checkpoint keeps them under.
      axes: K of each block in the order in which they are computed, float32 [C, k].
      strength: factor of the features' distance; 0, or no axes: the teacher is not
        evaluated.
      weighting: name of gamma_t, see `diffusion.losses.weight`.
      label_dropout: share of labels that are replaced by the null label.
      t_range: first and last timestep trained, both included.
      iterations: of the whole training.
    """

    teacher: Denoiser
    student: Callable[[tf.Tensor], Denoiser]
    variables: Mapping[str, tf.Variable]
    axes: Sequence[np.ndarray]
    strength: float
    weighting: str
    label_dropout: float
    t_range: tuple[int, int]
    iterations: int
    terms: ClassVar = ("simple", "features")
    buckets: ClassVar = 4  # quartiles of the timesteps

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> StepDraws:
        """Noise, timesteps and dropped labels of a batch, and how far it is."""
        done = tf.cast(step, tf.float32) / float(max(1, self.iterations))
        return StepDraws(draw(seed, step, batch_size), tf.fill([batch_size], done))

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: StepDraws) -> Loss:
        """Losses of pictures x [B, H, W, C] in [-1, 1] with labels int32 [B]."""
        schedule, drawn = self.teacher.schedule, draws.draws
        level = schedule.spread(drawn.u, *self.t_range)
        z = noised(x, seeds.normal(drawn.keys, tuple(x.shape[1:])), level.per_pixel())
        labels = kept_labels(self.teacher, labels, drawn.drop, self.label_dropout)
        student = self.student(draws.done[0])
        prediction, own = features_of(student, z, level, labels)
        scale = schedule.noise_scale
        simple = simple_loss(x, prediction.x, level, self.weighting, scale)
        far = tf.zeros_like(simple)
        if self.strength and self.axes:
            _, wanted = features_of(self.teacher, z, level, labels)
            far = distance(own, wanted, self.axes)
        bucket = level.t * self.buckets // schedule.timesteps
        terms = {"simple": simple, "features": far}
        return Loss(simple + self.strength * far, terms, bucket)


def features_of(
    denoise: Denoiser, z: tf.Tensor, level: NoiseLevel, labels: tf.Tensor
) -> tuple[Prediction, list[tf.Tensor]]:
    """A denoiser's estimate, and what each block of its network gave for it.

    Args:
      denoise: whose network is no function of its own.
      z: [B, H, W, C].
      level: of each picture, [B].
      labels: int32 [B], or rows of conditions; not looked at without any.
    """
    found: list[tf.Tensor] = []

    def keep(layer: Any, inputs: Any, output: tf.Tensor) -> None:
        found.append(output)

    if denoise.takes_conditions:
        denoise = denoise.conditioned(labels)
    with watching_blocks(keep):
        prediction = denoise(z, level)
    return prediction, found


def distance(
    own: Sequence[tf.Tensor], wanted: Sequence[tf.Tensor], axes: Sequence[np.ndarray]
) -> tf.Tensor:
    """The mean square of differences along axes, mean over blocks, [B]."""
    each = [
        tf.reduce_mean(
            tf.square(tf.tensordot(tf.cast(s - tf.stop_gradient(t), tf.float32), k, 1)),
            axis=list(range(1, len(s.shape))),
        )
        for s, t, k in zip(own, wanted, axes, strict=True)
    ]
    return tf.add_n(each) / float(len(each))


def principal_axes(features: np.ndarray, share: float = 0.25) -> np.ndarray:
    """The axes that hold the most of a feature's variance, float32 [C, k], orthonormal.

    Args:
      features: [..., C].
      share: of the channels; at least one axis.
    """
    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    _, vectors = np.linalg.eigh(np.cov(flat, rowvar=False).reshape(2 * flat.shape[1:]))
    count = max(1, int(share * flat.shape[1]))
    return vectors[:, ::-1][:, :count].astype(np.float32)
