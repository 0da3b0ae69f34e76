"""Normal pictures, of which every posterior is known."""

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers import Denoiser, Prediction
from pdm_tf.diffusion import NoiseSchedule


class Normal(Denoiser):
    """The exact denoiser of N(mean, covariance)."""

    num_classes = 0

    def __init__(self, mean, covariance, shape):
        self.image_shape, self.schedule = shape, NoiseSchedule.linear()
        self.mean, self.covariance = mean.astype(np.float32), covariance
        values, self.axes = np.linalg.eigh(covariance)
        self.values, self.axes = values.astype(np.float32), self.axes.astype("f4")

    @classmethod
    def drawn(cls, shape, spread=1.0, seed=0):
        """A mean and a covariance by chance; with spread 0 the identity."""
        rng, n = np.random.default_rng(seed), int(np.prod(shape))
        axes = np.linalg.qr(rng.standard_normal((n, n)))[0]
        values = np.exp(spread * np.linspace(-1.5, 0.5, n)) if spread else np.ones(n)
        return cls(0.5 * rng.standard_normal(n), axes * values @ axes.T, shape)

    def __call__(self, z, level):
        a, signal = (tf.reshape(v, [-1, 1]) for v in (level.alpha, level.signal))
        flat = tf.reshape(z, [-1, len(self.mean)]) - signal * self.mean
        gains = signal * self.values / (a * self.values + 1.0 - a)
        x = self.mean + (flat @ self.axes * gains) @ self.axes.T
        x = tf.reshape(x, tf.shape(z))
        return Prediction(x, tf.ones_like(x))


def matrix(operator):
    """H as a matrix, float64 [m, n]."""
    n = operator.size
    pictures = np.eye(n).reshape(n, *operator.shape)
    return np.asarray(operator.forward(pictures)).reshape(n, -1).T


def posterior(prior, h, y, sigma):
    """Mean and covariance of x given y = H x + sigma·noise."""
    gain = prior.covariance @ h.T
    gain = gain @ np.linalg.inv(h @ gain + sigma**2 * np.eye(len(h)))
    mean = prior.mean + gain @ (y - h @ prior.mean)
    return mean, prior.covariance - gain @ h @ prior.covariance
