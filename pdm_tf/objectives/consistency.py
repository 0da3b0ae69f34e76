"""Estimates that stay the same along the teacher's trajectories (arXiv 2310.04378)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers.denoiser import Denoiser, Prediction
from pdm_tf.denoisers.objective import Loss
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.gaussian import eps_from_x, noised
from pdm_tf.objectives.draws import Draws, draw, kept_labels
from pdm_tf.objectives.guided_target import (
    clipped,
    guided_target,
    mean_square,
    visible_error,
)


@dataclass(frozen=True, eq=False)
class ConsistencyDistillation:
    """The student's estimate against its own, one step of the teacher's solver later.

    From z at t, noised data, one step of DDIM with the teacher as the run samples it,
    guided and thresholded, leads to z' at t' = max(t - T / N, 0). The target is the
    student's estimate there at its present weights, without gradient; at t = 0 it is
    z' itself, by which the student is tied to the data. t is any timestep, not one of
    N alone, so that the student may be sampled on any grid.

    The terms are consistency, the mean square error in x (or pseudo-Huber), and
    variance: the square error to the teacher's conditional variance. The total is their
    sum.

    Attributes:
      teacher: denoiser to distil, unconditional.
      student: a consistency function, see `denoisers.distilled`; may share its weights.
      variables: those that learn, by the names that a checkpoint keeps them under.
      guidance: w of the teacher; 1 is none.
      sampling: of the run: thresholding, percentile, guidance interval.
      label_dropout: share of labels that are replaced by the null label.
      solver_steps: N, in which the teacher's solver would reach the data from noise.
      huber: c of sqrt(d² + c²) - c, the loss of an error d; 0: d².
    """

    teacher: Denoiser
    student: Denoiser
    variables: Mapping[str, tf.Variable]
    guidance: float
    sampling: SamplingConfig
    label_dropout: float
    solver_steps: int
    huber: float = 0.0
    terms: ClassVar = ("consistency", "variance")
    buckets: ClassVar = 4  # quartiles of the timesteps

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> Draws:
        """Noise, timesteps and dropped labels of a batch, see `draws.draw`."""
        return draw(seed, step, batch_size)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: Draws) -> Loss:
        """Losses of pictures x [B, H, W, C] in [-1, 1] with labels int32 [B]."""
        schedule = self.student.schedule
        t = schedule.spread(draws.u, 1, schedule.timesteps - 1).t
        level, to = schedule.level(t), schedule.level(self.later(t))
        z = noised(x, seeds.normal(draws.keys, tuple(x.shape[1:])), level.per_pixel())
        student = self.student
        labels = kept_labels(student, labels, draws.drop, self.label_dropout)
        if student.takes_conditions:
            student = student.conditioned(labels)
        reached, taught = self.solve(z, labels, level, to)
        target = tf.stop_gradient(student(reached, to).x)
        own = student(z, level)
        error = visible_error(own.x, target, self.sampling)
        consistency = self._loss(error)
        variance = mean_square(own.variance - taught.variance)
        bucket = level.t * self.buckets // schedule.timesteps
        terms = {"consistency": consistency, "variance": variance}
        return Loss(consistency + variance, terms, bucket)

    def later(self, t: tf.Tensor) -> tf.Tensor:
        """t' of timesteps t, int32."""
        stride = max(self.student.schedule.timesteps // self.solver_steps, 1)
        return tf.maximum(t - stride, 0)

    def solve(
        self, z: tf.Tensor, labels: tf.Tensor, level: NoiseLevel, to: NoiseLevel
    ) -> tuple[tf.Tensor, Prediction]:
        """z' [B, H, W, C] at levels [B], and what the teacher estimated; no gradient.

        The noise is that which the estimate implies, clipped as the run clips it: so
        does the sampler that is distilled.
        """
        found = guided_target(
            self.teacher, z, labels, level, self.guidance, self.sampling
        )
        x = clipped(found.x, self.sampling)
        eps = eps_from_x(z, x, level.per_pixel())
        return noised(x, eps, to.per_pixel()), found

    def _loss(self, error: tf.Tensor) -> tf.Tensor:
        if not self.huber:
            return mean_square(error)
        rounded = tf.sqrt(tf.square(error) + self.huber**2) - self.huber
        return tf.reduce_mean(rounded, axis=[1, 2, 3])
