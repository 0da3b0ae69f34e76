"""Equation 2, its posterior, and the three ways to say what a network predicts.

Every function takes levels shaped to broadcast with its pictures: see
`NoiseLevel.per_pixel`.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from pdm_tf.diffusion.schedule import NoiseLevel


class Gaussian(NamedTuple):
    """A normal distribution with independent pixels."""

    mean: tf.Tensor  # [B, H, W, C]
    log_variance: tf.Tensor  # broadcasts with the mean


class PosteriorVariance(NamedTuple):
    """Logarithms of the two natural choices of a reverse step's variance."""

    log_beta: tf.Tensor
    log_beta_tilde: tf.Tensor

    def interpolated(self, variance: tf.Tensor) -> tf.Tensor:
        """log variance between beta (at 0) and beta-tilde (at 1) (Appendix C)."""
        return variance * self.log_beta_tilde + (1.0 - variance) * self.log_beta


def noised(x: tf.Tensor, eps: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
    """z = sqrt(alpha)·x + sqrt(1 - alpha)·eps (equation 2)."""
    return level.signal * x + level.noise * eps


def eps_from_x(z: tf.Tensor, x: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
    """The noise in z if x is the picture."""
    return (z - level.signal * x) / level.noise


def x_from_eps(z: tf.Tensor, eps: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
    """The picture in z if eps is the noise."""
    return (z - level.noise * eps) / level.signal


def x_with_eps(
    x: tf.Tensor, eps: tf.Tensor, other: tf.Tensor, level: NoiseLevel
) -> tf.Tensor:
    """The picture in z if `other` is the noise, where it is x if eps is.

    At alpha = 0 there is no picture in z, and x stays.
    """
    return x + tf.math.divide_no_nan(level.noise * (eps - other), level.signal)


def v_from_x(z: tf.Tensor, x: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
    """v = sqrt(alpha)·eps - sqrt(1 - alpha)·x (section 3.2, arXiv 2202.00512)."""
    return level.signal * eps_from_x(z, x, level) - level.noise * x


def x_from_v(z: tf.Tensor, v: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
    """The picture in z if v is the velocity."""
    return level.signal * z - level.noise * v


def x_from_output(
    prediction: str, z: tf.Tensor, output: tf.Tensor, level: NoiseLevel
) -> tf.Tensor:
    """The picture that a network's output stands for; prediction is x, eps or v."""
    if prediction == "x":
        return output
    return {"eps": x_from_eps, "v": x_from_v}[prediction](z, output, level)


def _log_share(level: NoiseLevel, to: NoiseLevel) -> tf.Tensor:
    """log of beta / (1 - alpha_t), which is 1 - SNR_t / SNR_s, for a step from t to s.

    Of the gain in log SNR: alpha_t and alpha_s differ by so little that one minus
    their ratio would be off by 8e-5 of itself in float32.
    """
    return tf.math.log(-tf.math.expm1(-level.gain(to)))


def posterior_mean(
    z: tf.Tensor, x: tf.Tensor, level: NoiseLevel, to: NoiseLevel
) -> tf.Tensor:
    """Mean of q(z_s | z_t, x) for a step from level t to the less noisy level s."""
    log_ratio = tf.math.log_sigmoid(level.log_snr) - tf.math.log_sigmoid(to.log_snr)
    of_x = to.signal * tf.exp(_log_share(level, to))
    of_z = tf.exp(0.5 * log_ratio) * tf.sigmoid(-to.log_snr)
    return of_x * x + of_z / tf.sigmoid(-level.log_snr) * z


def posterior_variance(level: NoiseLevel, to: NoiseLevel) -> PosteriorVariance:
    """beta and beta-tilde of a step from t to s, s noisier than the clean picture.

    beta = 1 - alpha_t / alpha_s; beta-tilde = beta (1 - alpha_s) / (1 - alpha_t), the
    variance of q(z_s | z_t, x).
    """
    log_share = _log_share(level, to)
    log_beta = tf.math.log_sigmoid(-level.log_snr) + log_share
    return PosteriorVariance(log_beta, tf.math.log_sigmoid(-to.log_snr) + log_share)


def kl_divergence(q: Gaussian, p: Gaussian) -> tf.Tensor:
    """KL(q ‖ p) of each pixel [nats]."""
    ratio = q.log_variance - p.log_variance
    squared = tf.square(q.mean - p.mean) * tf.exp(-p.log_variance)
    return 0.5 * (tf.math.expm1(ratio) - ratio + squared)


def _normal_cdf(x: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.math.erfc(-x / math.sqrt(2.0))


def discretised_log_likelihood(x: tf.Tensor, p: Gaussian) -> tf.Tensor:
    """log probability of 8-bit pixels under a normal, bin by bin [nats].

    The bins are 2/255 wide; the outermost reach to infinity (arXiv 2006.11239,
    equation 13). x is in [-1, 1].
    """
    scale = tf.exp(-0.5 * p.log_variance)
    above = (x - p.mean + 1.0 / 255.0) * scale
    below = (x - p.mean - 1.0 / 255.0) * scale
    # Bins in the upper tail are mirrored into the lower, where the difference of two
    # distribution functions does not cancel.
    upper_tail = below > 0.0
    left = tf.where(upper_tail, -above, below)
    right = tf.where(upper_tail, -below, above)
    inner = _normal_cdf(right) - _normal_cdf(left)
    probability = tf.where(
        x < -0.999,
        _normal_cdf(above),
        tf.where(x > 0.999, _normal_cdf(-below), inner),
    )
    return tf.math.log(tf.maximum(probability, 1e-12))
