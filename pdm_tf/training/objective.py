"""The loss of one batch: what is drawn at random, and what is then minimised."""

from dataclasses import dataclass
from typing import NamedTuple

import keras
import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.diffusion.gaussian import noised
from pdm_tf.diffusion.losses import simple_loss, vlb_loss


class Draws(NamedTuple):
    """The random numbers of a batch, one row an example."""

    keys: tf.Tensor  # int32 [B, 2], of the noise
    u: tf.Tensor  # float32 [B] in [0, 1): which timestep
    drop: tf.Tensor  # float32 [B] in [0, 1): whether the label is hidden


class Losses(NamedTuple):
    """Losses of each picture, [B]."""

    simple: tf.Tensor
    vlb: tf.Tensor
    t: tf.Tensor  # int32, where they were taken


def draw(seed: int, step: tf.Tensor, batch_size: int) -> Draws:
    """Draws for a whole global batch, a function of (seed, step).

    Timesteps are spread evenly over the batch from a common random start, which
    lowers the variance of the loss (arXiv 2107.00630, appendix I.1).
    """
    keys = seeds.step_keys(seed, step, 0, batch_size)
    others = seeds.step_keys(seed, step, 1, 1)
    start = seeds.uniform(others)
    u = (start + tf.range(batch_size, dtype=tf.float32) / batch_size) % 1.0
    drop = seeds.uniform(seeds.step_keys(seed, step, 2, batch_size))
    return Draws(keys, u, drop)


@dataclass(frozen=True, eq=False)
class Objective:
    """L_simple for the network, L_vlb for its variance head alone (Appendix C).

    Attributes:
      network: (z, t, labels) -> (output, variance).
      schedule: the forward process.
      prediction: meaning of the output: x, eps or v.
      weighting: name of gamma_t, see `diffusion.losses.weight`.
      label_dropout: share of labels that are hidden.
      t_range: first and last timestep trained, both included.
    """

    network: keras.Model
    schedule: NoiseSchedule
    prediction: str
    weighting: str
    label_dropout: float
    t_range: tuple[int, int]

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: Draws) -> Losses:
        """Losses of pictures x [B, H, W, C] in [-1, 1] with labels int32 [B]."""
        first, last = self.t_range
        t = first + tf.cast(draws.u * float(last - first + 1), tf.int32)
        level = self.schedule.level(tf.minimum(t, last))
        eps = seeds.normal(draws.keys, tuple(x.shape[1:]))
        z = noised(x, eps, level.per_pixel())
        denoise = NetworkDenoiser(
            self.network, self.schedule, self.prediction, apart=False
        )
        if denoise.num_classes:
            hidden = draws.drop < self.label_dropout
            denoise = denoise.conditioned(tf.where(hidden, denoise.num_classes, labels))
        denoised, variance = denoise(z, level)
        return Losses(
            simple_loss(x, denoised, level, self.weighting),
            vlb_loss(self.schedule, z, x, tf.stop_gradient(denoised), variance, level),
            level.t,
        )
