"""One step learns what two steps of the teacher do (arXiv 2202.00512)."""

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
from pdm_tf.diffusion.losses import weight
from pdm_tf.objectives.draws import Draws, draw, kept_labels
from pdm_tf.objectives.guided_target import (
    clipped,
    guided_target,
    mean_square,
    visible_error,
)

_ROUNDING = 1e-4  # of a target, which is a quotient of differences


@dataclass(frozen=True, eq=False)
class ProgressiveDistillation:
    """The student's estimate against that whose one step replaces the teacher's two.

    The student visits N levels in equal steps of t, the last of which ends at the clean
    picture; between two of them lies one more of the teacher. From z at a level of the
    student, noised data, the teacher takes two steps of DDIM as the run samples, guided
    and thresholded; the target is the x that takes z as far in one step (algorithm 2).
    In the last step both steps end at the clean picture, and so does the target.

    The terms are halved, the square error in x weighted by max(SNR, 1), and variance:
    the square error to the teacher's conditional variance. The total is their sum.

    Attributes:
      teacher: denoiser to distil, unconditional.
      student: the same with adapters, unconditional; may share its weights.
      variables: those that learn, by the names that a checkpoint keeps them under.
      guidance: w of the teacher; 1 where it guides by itself or not at all.
      sampling: of the run: thresholding, percentile, guidance interval.
      label_dropout: share of labels that are replaced by the null label.
      steps: N.
    """

    teacher: Denoiser
    student: Denoiser
    variables: Mapping[str, tf.Variable]
    guidance: float
    sampling: SamplingConfig
    label_dropout: float
    steps: int
    terms: ClassVar = ("halved", "variance")
    buckets: ClassVar = 4  # quartiles of the timesteps

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> Draws:
        """Noise, levels and dropped labels of a batch, see `draws.draw`."""
        return draw(seed, step, batch_size)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: Draws) -> Loss:
        """Losses of pictures x [B, H, W, C] in [-1, 1] with labels int32 [B]."""
        schedule, student = self.student.schedule, self.student
        i = tf.cast(draws.u * float(self.steps), tf.int32)
        i = tf.minimum(i, self.steps - 1)  # u close to 1 may be rounded up
        level, middle, to = self.levels(i)
        z = noised(x, seeds.normal(draws.keys, tuple(x.shape[1:])), level.per_pixel())
        labels = kept_labels(student, labels, draws.drop, self.label_dropout)
        if student.takes_conditions:
            student = student.conditioned(labels)
        target, variance = self.target(z, labels, level, middle, to)
        own = student(z, level)
        error = visible_error(own.x, target, self.sampling, _ROUNDING)
        halved = weight("truncated_snr", level) * mean_square(error)
        kept = mean_square(own.variance - variance)
        bucket = level.t * self.buckets // schedule.timesteps
        return Loss(halved + kept, {"halved": halved, "variance": kept}, bucket)

    def levels(self, i: tf.Tensor) -> tuple[NoiseLevel, NoiseLevel, NoiseLevel]:
        """Levels of step i, int32 [B]: the student's, the teacher's between, the next.

        The last step, i = N - 1, leads to the clean picture, which is t = -1.
        """
        schedule = self.student.schedule
        finer = schedule.grid(2 * self.steps, "trailing").t
        visited = tf.concat([finer, [-1]], 0)  # 2N + 1, noisiest first
        t = [tf.gather(visited, 2 * i + ahead) for ahead in (0, 1, 2)]
        level, middle = map(schedule.level, t[:2])
        return level, middle, schedule.previous(NoiseLevel(t[2] + 1, level.log_snr))

    def target(
        self,
        z: tf.Tensor,
        labels: tf.Tensor,
        level: NoiseLevel,
        middle: NoiseLevel,
        to: NoiseLevel,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """x̃, and the teacher's variance at the first level; no gradient.

        z'' = alpha''·x̃ + sigma''·(z - alpha·x̃) / sigma is solved for x̃; at the clean
        picture, sigma'' = 0, that is z'' itself.
        """
        first = self._taught(z, labels, level)
        x = clipped(first.x, self.sampling)
        half = noised(x, eps_from_x(z, x, level.per_pixel()), middle.per_pixel())
        x = clipped(self._taught(half, labels, middle).x, self.sampling)
        eps = eps_from_x(half, x, middle.per_pixel())
        wide, after = level.per_pixel(), to.per_pixel()
        reached = noised(x, eps, after)
        share = after.noise / wide.noise
        target = (reached - share * z) / (after.signal - share * wide.signal)
        return tf.stop_gradient(target), first.variance

    def _taught(self, z: tf.Tensor, labels: tf.Tensor, level: NoiseLevel) -> Prediction:
        return guided_target(
            self.teacher, z, labels, level, self.guidance, self.sampling
        )
