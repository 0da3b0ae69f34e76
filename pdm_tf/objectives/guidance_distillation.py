"""One evaluation learns what guidance needs two for (arXiv 2312.06899)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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

_GUIDANCE = 0x77  # "w", apart from the other streams


@dataclass(frozen=True, eq=False)
class GuidanceDistillation:
    """The student's one estimate against the teacher's guided one.

    The target is w·D(z, t, y) - (w - 1)·D(z, t, null) of the teacher D, w = 1 being no
    guidance, with the run's guidance interval and dynamic thresholding in it. A dropped
    label makes the target D(z, t, null), so that drawing without a class stays what it
    was. Where the student takes w, it is drawn anew for each group of pictures that are
    computed at once, as a kernel has one w in a call. Every second picture's z is
    noised data; the others come from the student's own trajectories, by a few steps of
    DDIM from noise at its present weights, since there it will be evaluated
    (on-policy). Both are functions of the draws alone.

    The terms are guided, weighted as `diffusion.losses.weight` says, and variance: the
    square error to the teacher's conditional variance, which moves only what lies in
    the variance head. The total is their sum.

    Attributes:
      teacher: denoiser to distil, unconditional.
      student: the same with adapters, unconditional; may share its weights.
      variables: those that learn, by the names that a checkpoint keeps them under.
      guidance: w.
      sampling: of the run: thresholding, percentile, guidance interval.
      weighting: name of gamma_t, see `diffusion.losses.weight`.
      label_dropout: share of labels that are replaced by the null label.
      t_range: first and last timestep trained, both included.
      trajectory_steps: of DDIM, in the student's own trajectories; 0: all z are noised
        data.
      guidance_range: least and largest w, drawn evenly, of a student that takes w;
        None: all learn the one.
      at_once: pictures of a group of one w; 0: the batch.
    """

    teacher: Denoiser
    student: Denoiser
    variables: Mapping[str, tf.Variable]
    guidance: float | tf.Tensor
    sampling: SamplingConfig
    weighting: str
    label_dropout: float
    t_range: tuple[int, int]
    trajectory_steps: int
    guidance_range: tuple[float, float] | None = None
    at_once: int = 0
    terms: ClassVar = ("guided", "variance")
    buckets: ClassVar = 4  # quartiles of the timesteps

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> Draws:
        """Noise, timesteps, dropped labels and w of a batch, see `draws.draw`."""
        drawn = draw(seed, step, batch_size)
        if self.guidance_range is None:
            return drawn
        low, high = self.guidance_range
        rows = self.at_once or batch_size
        keys = seeds.step_keys(seed, step, _GUIDANCE, -(-batch_size // rows))
        weights = low + (high - low) * seeds.uniform(keys)
        return drawn._replace(guidance=tf.repeat(weights, rows)[:batch_size])

    def at_guidance(self, weight: float | tf.Tensor) -> "GuidanceDistillation":
        """The same of the one w, which the student is given."""
        student = self.student.at_guidance(weight)
        return replace(self, student=student, guidance=weight, guidance_range=None)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: Draws) -> Loss:
        """Losses of pictures x [B, H, W, C] in [-1, 1] with labels int32 [B].

        All of a group of one w, where the student takes it.
        """
        if self.guidance_range is not None:
            return self.at_guidance(draws.guidance[0])(x, labels, draws)
        schedule = self.student.schedule
        level = schedule.spread(draws.u, *self.t_range)
        labels = kept_labels(self.student, labels, draws.drop, self.label_dropout)
        z = self.noisy(x, labels, level, draws)
        target = self.target(z, labels, level)
        own = self.student.conditioned(labels)(z, level)
        error = visible_error(own.x, target.x, self.sampling)
        gamma = weight(self.weighting, level, schedule.noise_scale)
        guided = gamma * mean_square(error)
        variance = mean_square(own.variance - target.variance)
        bucket = level.t * self.buckets // schedule.timesteps
        terms = {"guided": guided, "variance": variance}
        return Loss(guided + variance, terms, bucket)

    def noisy(
        self, x: tf.Tensor, labels: tf.Tensor, level: NoiseLevel, draws: Draws
    ) -> tf.Tensor:
        """z of each picture: noised data and the student's own in turn."""
        eps = seeds.normal(draws.keys, tuple(x.shape[1:]))
        z = noised(x, eps, level.per_pixel())
        if not self.trajectory_steps:
            return z
        own = self.trajectory(eps[1::2], labels[1::2], _rows(level, 1))
        return tf.stop_gradient(_in_turn(z[::2], own))

    def trajectory(
        self, eps: tf.Tensor, labels: tf.Tensor, level: NoiseLevel
    ) -> tf.Tensor:
        """z at levels [B] where the student arrives from noise, in equal steps of t."""
        student, last = self.student.conditioned(labels), self.trajectory_steps
        schedule = student.schedule
        ahead = tf.cast(schedule.timesteps - 1 - level.t, tf.float32)

        def at(i: tf.Tensor) -> NoiseLevel:
            done = ahead * tf.cast(i, tf.float32) / float(last)
            t = schedule.timesteps - 1 - tf.cast(tf.round(done), tf.int32)
            return schedule.level(t)

        def step(i: tf.Tensor, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            here, to = at(i), at(i + 1).per_pixel()
            denoised = clipped(student(z, here).x, self.sampling)
            implied = eps_from_x(z, denoised, here.per_pixel())
            return i + 1, noised(denoised, implied, to)

        start = (tf.constant(0), eps)
        _, z = tf.while_loop(lambda i, _: i < last, step, start)
        return tf.stop_gradient(z)

    def target(self, z: tf.Tensor, labels: tf.Tensor, level: NoiseLevel) -> Prediction:
        """What the teacher's guided estimate is, for levels [B]; no gradient."""
        return guided_target(
            self.teacher, z, labels, level, self.guidance, self.sampling
        )


def _rows(level: NoiseLevel, first: int) -> NoiseLevel:
    """Every second of the levels [B]."""
    return NoiseLevel(*(value[first::2] for value in level))


def _in_turn(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Rows of both in turn, beginning with the first, which may have one more."""
    pairs = tf.shape(second)[0]
    joined = tf.stack([first[:pairs], second], axis=1)
    joined = tf.reshape(joined, [2 * pairs, *first.shape[1:]])
    return tf.concat([joined, first[pairs:]], 0)
