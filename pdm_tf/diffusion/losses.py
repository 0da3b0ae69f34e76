"""What training minimises: L_simple with its weights, and L_vlb (Appendix C).

Both are means over pixels and pictures, so that neither depends on batch size,
picture size or number of replicas.
"""

import math

import numpy as np
import tensorflow as tf

from pdm_tf.diffusion import gaussian
from pdm_tf.diffusion.schedule import NoiseLevel, NoiseSchedule

_MIN_SNR_CEILING = 5.0  # arXiv 2303.09556
_NEAREST = 0.05  # of 1 - t, below which the velocity is not weighed more (2511.13720)


def weight(name: str, level: NoiseLevel, noise_scale: float = 1.0) -> tf.Tensor:
    """gamma_t, the weight of the squared error in x (equation 3).

    sqrt_snr is the paper's; snr weighs the error in eps evenly, snr+1 that in v;
    truncated_snr is max(snr, 1) (arXiv 2202.00512); min_snr is min(snr, 5); p2 is
    snr·sqrt(1 - alpha); uniform weighs the error in x evenly; velocity is
    1 / max(1 - t, 0.05)², the error in v of a linear process of that noise scale (arXiv
    2511.13720).
    """
    snr = level.snr
    return {
        "sqrt_snr": lambda: tf.exp(0.5 * level.log_snr),
        "snr": lambda: snr,
        "snr+1": lambda: snr + 1.0,
        "truncated_snr": lambda: tf.maximum(snr, 1.0),
        "min_snr": lambda: tf.minimum(snr, _MIN_SNR_CEILING),
        "p2": lambda: snr * level.noise,
        "uniform": lambda: tf.ones_like(snr),
        "velocity": lambda: tf.square(
            tf.minimum(1.0 + noise_scale * tf.sqrt(snr), 1.0 / _NEAREST)
        ),
    }[name]()


def simple_loss(
    x: tf.Tensor,
    denoised: tf.Tensor,
    level: NoiseLevel,
    weighting: str,
    noise_scale: float = 1.0,
) -> tf.Tensor:
    """L_simple of each picture: gamma_t · mean squared error of the estimate, [B]."""
    error = tf.reduce_mean(tf.square(denoised - x), axis=[1, 2, 3])
    return weight(weighting, level, noise_scale) * error


def reverse_variance(
    schedule: NoiseSchedule, level: NoiseLevel
) -> gaussian.PosteriorVariance:
    """Both variances of the step of one timestep down from each level.

    At t = 0 beta-tilde takes the value of t = 1, as the scale of the decoder.
    """
    tables = np.log(schedule.betas), schedule.log_beta_tilde
    return gaussian.PosteriorVariance(
        *(tf.gather(tf.constant(table, tf.float32), level.t) for table in tables)
    )


def vlb_loss(
    schedule: NoiseSchedule,
    z: tf.Tensor,
    x: tf.Tensor,
    denoised: tf.Tensor,
    variance: tf.Tensor,
    level: NoiseLevel,
) -> tf.Tensor:
    """One term of the variational bound for each picture [bits per dimension], [B].

    KL(q(z_{t-1} | z_t, x) ‖ p(z_{t-1} | z_t)) for t > 0; at t = 0 the negative log
    likelihood of the 8-bit picture.

    Args:
      schedule: the schedule that the levels come from.
      z: noisy pictures [B, H, W, C].
      x: the pictures, in [-1, 1].
      estimate: the model's x.
      variance: the model's interpolation in [0, 1], see `Prediction`.
      level: level of each picture, [B].
    """
    wide = level.per_pixel()
    lower = schedule.previous(level).per_pixel()
    log_beta, log_tilde = reverse_variance(schedule, level)
    both = gaussian.PosteriorVariance(
        log_beta[:, None, None, None], log_tilde[:, None, None, None]
    )
    mean = gaussian.posterior_mean(z, denoised, wide, lower)
    p = gaussian.Gaussian(mean, both.interpolated(variance))
    q = gaussian.Gaussian(
        gaussian.posterior_mean(z, x, wide, lower), both.log_beta_tilde
    )
    nats = tf.reduce_mean(gaussian.kl_divergence(q, p), axis=[1, 2, 3])
    at_start = level.t == 0

    def with_decoder() -> tf.Tensor:
        decoder = -gaussian.discretised_log_likelihood(x, p)
        return tf.where(at_start, tf.reduce_mean(decoder, axis=[1, 2, 3]), nats)

    # It costs more than all the rest of the loss, and few batches have a t of 0.
    nats = tf.cond(tf.reduce_any(at_start), with_decoder, lambda: nats)
    return nats / math.log(2.0)
