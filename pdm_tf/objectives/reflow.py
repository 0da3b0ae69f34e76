"""Straight ways from noise to pictures, and one step along them (arXiv 2407.12718).

On the linear process w = u·x1 + (1 - u)·x0 a velocity v = x1 - x0 and an estimate of
the picture are the same thing, x = w + (1 - u)·v; networks here estimate x. An error in
v is one in x over 1 - u.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.objective import Loss
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.flow import LinearFlow
from pdm_tf.diffusion.losses import weight
from pdm_tf.objectives.guided_target import mean_square

_LAST = 0.999  # u, of which training takes none beyond
_NEAR, _FAR = 0.2, 0.8  # u at which a student's own way is looked at


class Pairs(NamedTuple):
    """Noises and the pictures that a sampler makes of them."""

    x0: np.ndarray  # float32 [N, H, W, C], the noise
    x1: np.ndarray  # float32 [N, H, W, C], the picture
    labels: np.ndarray  # int32 [N], or rows of conditions, float32 [N, n]


class FlowDraws(NamedTuple):
    """The random numbers of a batch, one row an example."""

    keys: tf.Tensor  # int32 [B, 2], of fresh noise
    u: tf.Tensor  # float32 [B] in [0, 1): the time
    row: tf.Tensor  # float32 [B] in [0, 1): which pair
    flip: tf.Tensor  # float32 [B] in [0, 1): whether it is mirrored
    done: tf.Tensor  # float32 [B] in [0, 1]: how far the training is, the same of all


def draw(seed: int, step: tf.Tensor, batch_size: int, iterations: int) -> FlowDraws:
    """Draws for a whole global batch; times are spread evenly over it."""
    keys = seeds.step_keys(seed, step, 0, batch_size)
    start = seeds.uniform(seeds.step_keys(seed, step, 1, 1))
    u = (start + tf.range(batch_size, dtype=tf.float32) / batch_size) % 1.0
    row, flip = (
        seeds.uniform(seeds.step_keys(seed, step, stream, batch_size))
        for stream in (2, 3)
    )
    done = tf.minimum(tf.cast(step, tf.float32) / float(max(1, iterations)), 1.0)
    return FlowDraws(keys, u, row, flip, tf.fill([batch_size], done))


def taken(
    pairs: Pairs, draws: FlowDraws, flips: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """x0, x1 and labels of a batch; a pair is mirrored whole, noise and picture."""
    count = len(pairs.labels)
    rows = tf.minimum(tf.cast(draws.row * float(count), tf.int32), count - 1)
    x0, x1, labels = (tf.gather(tf.constant(part), rows) for part in pairs)
    if flips:
        mirrored = (draws.flip < 0.5)[:, None, None, None]
        x0, x1 = (tf.where(mirrored, x[:, :, ::-1], x) for x in (x0, x1))
    return x0, x1, labels


def at(
    schedule: LinearFlow, w: tf.Tensor, u: tf.Tensor
) -> tuple[tf.Tensor, NoiseLevel]:
    """z [B, H, W, C] and its level [B], of w at times u, float32 [B]."""
    level = schedule.at(u)
    return schedule.as_noised(w, level), level


@dataclass(frozen=True, eq=False)
class Reflow:
    """The velocity between noises and the pictures that a teacher makes of them.

    Annealed, noises are at first fresh, as for a network that learns from data alone,
    and become those of the pairs: x0' = sqrt(1 - b²)·x0 + b·e with b falling from 1 to
    0 in the first part of the training. The only term is velocity: the mean square
    error in v, no time weighed more than 20² times.

    Attributes:
      student: what learns, on a `LinearFlow` of noise scale 1, not conditioned yet.
      variables: those that learn, by the names that a checkpoint keeps them under.
      pairs: of the teacher.
      annealed: share of the training in which b falls; 0: b is 0 from the start.
      iterations: of the whole training.
      flips: whether pairs are mirrored.
    """

    student: Denoiser
    variables: Mapping[str, tf.Variable]
    pairs: Pairs
    annealed: float
    iterations: int
    flips: bool = False
    terms: ClassVar = ("velocity",)
    buckets: ClassVar = 4  # quartiles of the timesteps

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> FlowDraws:
        """Pairs, times and fresh noise of a batch."""
        return draw(seed, step, batch_size, self.iterations)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: FlowDraws) -> Loss:
        """Losses of pairs; of pictures x [B, H, W, C] the number counts alone."""
        schedule = flow_of(self.student)
        x0, x1, labels = taken(self.pairs, draws, self.flips)
        x0 = self.noise(x0, draws)
        u = _LAST * draws.u
        wide = u[:, None, None, None]
        z, level = at(schedule, wide * x1 + (1.0 - wide) * x0, u)
        error = conditioned(self.student, labels)(z, level).x - x1
        velocity = weight("velocity", level) * mean_square(error)
        bucket = level.t * self.buckets // schedule.timesteps
        return Loss(velocity, {"velocity": velocity}, bucket)

    def noise(self, x0: tf.Tensor, draws: FlowDraws) -> tf.Tensor:
        """x0', as far from the pairs' noise as the training is."""
        if not self.annealed:
            return x0
        b = tf.maximum(1.0 - draws.done / self.annealed, 0.0)[:, None, None, None]
        fresh = seeds.normal(draws.keys, tuple(x0.shape[1:]))
        return tf.sqrt(1.0 - b * b) * x0 + b * fresh


@dataclass(frozen=True, eq=False)
class FlowDistillation:
    """One step from noise to picture, of a teacher that needs more on the same way.

    The terms are paired, the mean square error to the picture of a pair, and guided: of
    fresh noise, the student's way is followed to u in (0.2, 0.8), and its picture must
    be what the teacher estimates there. In velocities that is u·v_s + (1 - u)·v_T.

    Attributes:
      teacher: as large as the student, on the same `LinearFlow`.
      student: what learns, not conditioned yet.
      variables: those that learn, by the names that a checkpoint keeps them under.
      pairs: of the teacher.
      iterations: of the whole training.
      flips: whether pairs are mirrored.
    """

    teacher: Denoiser
    student: Denoiser
    variables: Mapping[str, tf.Variable]
    pairs: Pairs
    iterations: int
    flips: bool = False
    terms: ClassVar = ("paired", "guided")
    buckets: ClassVar = 1

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> FlowDraws:
        """Pairs, times and fresh noise of a batch."""
        return draw(seed, step, batch_size, self.iterations)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: FlowDraws) -> Loss:
        """Losses of pairs; of pictures x [B, H, W, C] the number counts alone."""
        x0, x1, labels = taken(self.pairs, draws, self.flips)
        paired = mean_square(self._jump(x0, labels) - x1)
        fresh = seeds.normal(draws.keys, tuple(x0.shape[1:]))
        jumped = self._jump(fresh, labels)
        u = _NEAR + (_FAR - _NEAR) * draws.u
        wide = u[:, None, None, None]
        w = wide * tf.stop_gradient(jumped) + (1.0 - wide) * fresh
        z, level = at(flow_of(self.teacher), w, u)
        target = tf.stop_gradient(conditioned(self.teacher, labels)(z, level).x)
        guided = mean_square(jumped - target)
        terms = {"paired": paired, "guided": guided}
        return Loss(paired + guided, terms, tf.zeros_like(paired, tf.int32))

    def _jump(self, x0: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """The student's picture of noise, in one step."""
        z, level = at(flow_of(self.student), x0, tf.zeros([tf.shape(x0)[0]]))
        return conditioned(self.student, labels)(z, level).x


def flow_of(denoise: Denoiser) -> LinearFlow:
    """The linear process that a denoiser is made for."""
    schedule = denoise.schedule
    assert isinstance(schedule, LinearFlow)
    return schedule


def conditioned(denoise: Denoiser, labels: tf.Tensor) -> Denoiser:
    """The denoiser of these labels, where it knows any."""
    return denoise.conditioned(labels) if denoise.takes_conditions else denoise
