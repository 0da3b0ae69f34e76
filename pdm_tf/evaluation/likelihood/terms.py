"""The terms of the variational bound, each for every picture of a batch."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pdm_tf import seeds as noises
from pdm_tf.config import Variance
from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule, gaussian
from pdm_tf.diffusion.losses import vlb_loss


def prior_bits(schedule: NoiseSchedule, x: np.ndarray) -> np.ndarray:
    """KL(q(z_{T-1} | x) ‖ N(0, 1)) of pictures x [N, H, W, C], float64 [N]."""
    # float64, because next to nothing is left of the picture.
    log_alpha = tf.constant(schedule.log_alpha[-1], tf.float64)
    mean = tf.exp(0.5 * log_alpha) * tf.cast(x, tf.float64)
    last = gaussian.Gaussian(mean, tf.math.log(-tf.math.expm1(log_alpha)))
    zero = tf.zeros([], tf.float64)
    nats = gaussian.kl_divergence(last, gaussian.Gaussian(zero, zero))
    return tf.reduce_mean(nats, axis=[1, 2, 3]).numpy() / np.log(2.0)


class Terms:
    """One term of the bound for each picture of a batch; one graph for all t.

    Args:
      denoise: whose bound it is.
      variance: "learned" as the denoiser says, "large" for beta, but for t = 0, where
        as in ADM it is beta-tilde of t = 1; "small" for beta-tilde.
      use_labels: whether the denoiser is conditioned on the pictures' classes.
    """

    def __init__(self, denoise: Denoiser, variance: Variance, use_labels: bool) -> None:
        self._denoise, self._variance = denoise, variance
        self._use_labels = use_labels and denoise.num_classes > 0
        integers, one = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)
        pictures = tf.TensorSpec([None, *denoise.image_shape], tf.float32)
        batch = [pictures, integers, integers]
        self._at = self._compiled(self.at, [*batch, one])
        self._within = self._compiled(self.within, [*batch, one, one, one])

    @staticmethod
    def _compiled(program: Callable, signature: list[tf.TensorSpec]) -> Callable:
        return tf.function(program, input_signature=signature, autograph=False)

    def section(
        self,
        x: tf.Tensor,
        labels: tf.Tensor,
        seeds: tf.Tensor,
        index: int,
        first: int,
        length: int,
    ) -> np.ndarray:
        """The sum of a section's terms, or an estimate of it, float64 [B].

        Each picture draws one timestep of the section by its own seed, so that the
        estimate is unbiased and pictures stay independent.
        """
        t = tf.constant(first)
        if length == 1:  # one level for all: a split then asks one part alone
            return self._at(x, labels, seeds, t).numpy().astype(np.float64)
        within = self._within(x, labels, seeds, tf.constant(index), t, length)
        return within.numpy().astype(np.float64) * length

    def within(
        self,
        x: tf.Tensor,
        labels: tf.Tensor,
        seeds: tf.Tensor,
        index: tf.Tensor,
        first: tf.Tensor,
        length: tf.Tensor,
    ) -> tf.Tensor:
        """Terms at timesteps drawn from first … first + length - 1, [B]."""
        # Streams below 0; those from 1 on are the noise of the terms.
        share = noises.uniform(noises.keys(seeds, -1 - index))
        offset = tf.cast(share * tf.cast(length, tf.float32), tf.int32)
        return self.at(x, labels, seeds, first + tf.minimum(offset, length - 1))

    def at(
        self, x: tf.Tensor, labels: tf.Tensor, seeds: tf.Tensor, t: tf.Tensor
    ) -> tf.Tensor:
        """Terms at timestep t, [] or one for each picture [bits per dimension], [B].

        The noise of picture n at t is stream t + 1 of its own seed.
        """
        denoise, schedule = self._denoise, self._denoise.schedule
        if self._use_labels:
            denoise = denoise.conditioned(labels)
        level = schedule.level(t)
        eps = noises.normal(noises.keys(seeds, t + 1), tuple(x.shape[1:]))
        z = gaussian.noised(x, eps, level.per_pixel())
        denoised, learned = denoise(z, level)
        # ADM's decoder: beta of t = 0 is wider than a grey level's bin needs, and costs
        # up to 0.46 bits.
        at_start = tf.reshape(level.t == 0, [-1, 1, 1, 1])
        share = {
            "learned": learned,
            "large": tf.zeros_like(learned) + tf.cast(at_start, learned.dtype),
            "small": tf.ones_like(learned),
        }[self._variance]
        each = NoiseLevel(*(tf.broadcast_to(v, tf.shape(seeds)) for v in level))
        return vlb_loss(schedule, z, x, denoised, share, each)
