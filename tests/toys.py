"""Data whose best denoiser is known in closed form, and denoisers that show a law."""

import numpy as np
import tensorflow as tf
from scipy.special import ndtr

from pdm_tf.denoisers import Denoiser, Prediction, StatefulDenoiser
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule

SHAPE = (4, 4, 1)


class Toy(Denoiser):
    """What all toys have: two classes, whose label shifts the data."""

    def __init__(self, shift=0.0, image_shape=SHAPE):
        self.image_shape, self.num_classes = image_shape, 2
        self.schedule = NoiseSchedule.linear()
        self.shift, self.labels, self.traces = shift, None, 0

    def conditioned(self, labels):
        made = type(self)(**self.settings())
        made.labels = tf.convert_to_tensor(labels)
        return made

    def settings(self):
        return {"shift": self.shift, "image_shape": self.image_shape}

    def shifted(self, z):
        """Mean of the data, [] or [B, 1, 1, 1]: ∓shift for the classes, 0 for none."""
        if self.labels is None:
            return tf.zeros([], z.dtype)
        means = tf.constant([-self.shift, self.shift, 0.0], z.dtype)
        return tf.gather(means, self.labels)[:, None, None, None]

    def __call__(self, z, level):
        self.traces += 1
        x = self.denoised(z, level.per_pixel())
        return Prediction(x, 0.5 * tf.ones_like(x))


class GaussianToy(Toy):
    """Independent normal pixels, standard deviation 0.5."""

    std = 0.5

    def denoised(self, z, level):
        mean, variance = self.shifted(z), self.std**2
        total = level.alpha * variance + 1.0 - level.alpha
        ahead = level.signal * (z - level.signal * mean)
        return mean + variance / total * ahead


class MixtureToy(Toy):
    """Independent pixels, each near -0.6 or, less often, near 0.4."""

    means, weights, std = (-0.6, 0.4), (0.6, 0.4), 0.2

    def denoised(self, z, level):
        variance = self.std**2
        total = level.alpha * variance + 1.0 - level.alpha
        centres = [self.shifted(z) + mean for mean in self.means]
        ahead = [z - level.signal * centre for centre in centres]
        logits = [
            np.log(weight) - 0.5 * tf.square(gap) / total
            for weight, gap in zip(self.weights, ahead, strict=True)
        ]
        shares = tf.unstack(tf.nn.softmax(tf.stack(logits), axis=0))
        gain = level.signal * variance / total
        return tf.add_n(
            [
                share * (centre + gain * gap)
                for share, centre, gap in zip(shares, centres, ahead, strict=True)
            ]
        )


class CorrelatedToy(Toy):
    """Normal pictures, standard deviation 0.5, whose right half repeats the left.

    Mirrored pixels correlate by `rho`, so that one tells of the other.
    """

    rho = 0.95

    def denoised(self, z, level):
        left, right = tf.split(z, 2, axis=2)
        right = right[:, :, ::-1]
        both, apart = left + right, left - right
        both *= self.gain(level, 0.25 * (1.0 + self.rho))
        apart *= self.gain(level, 0.25 * (1.0 - self.rho))
        left, right = 0.5 * (both + apart), 0.5 * (both - apart)
        return tf.concat([left, right[:, :, ::-1]], axis=2)

    @staticmethod
    def gain(level, variance):
        return level.signal * variance / (level.alpha * variance + 1.0 - level.alpha)


def gaussian_flow(z, level, to):
    """Where the probability flow takes z from one level to another: exact."""

    def scale(at):
        alpha = np.float64(at.alpha)
        return np.sqrt(alpha * GaussianToy.std**2 + 1.0 - alpha)

    return z * scale(to) / scale(level)


def mixture_flow(z, level, to):
    """The same for the mixture: a flow of one pixel keeps its quantile."""

    def quantile(z, at):
        alpha = np.float64(at.alpha)
        scale = np.sqrt(alpha * MixtureToy.std**2 + 1.0 - alpha)
        gaps = [(z - np.sqrt(alpha) * mean) / scale for mean in MixtureToy.means]
        return sum(w * ndtr(g) for w, g in zip(MixtureToy.weights, gaps, strict=True))

    wanted = quantile(z, level)
    low, high = np.full_like(z, -10.0), np.full_like(z, 10.0)
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = quantile(middle, to) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low


class CountingToy(StatefulDenoiser):
    """Its estimate is the number of calls before this one, as a picture.

    Without a class it counts in tens, so that both halves of guidance differ.
    """

    image_shape, num_classes, parts = SHAPE, 2, {}
    schedule = NoiseSchedule.linear()

    def __init__(self, labels=None):
        self.labels = labels

    def conditioned(self, labels):
        return CountingToy(tf.convert_to_tensor(labels))

    def init_carry(self, z):
        return {"calls": tf.zeros(tf.shape(z)[:1], tf.int32)}

    def predict(self, z, level, carry):
        calls = carry["calls"]
        null = tf.fill(tf.shape(calls), self.num_classes)
        labels = null if self.labels is None else self.labels
        x = tf.cast(calls, tf.float32)[:, None, None, None] + tf.zeros_like(z)
        calls += tf.where(labels == self.num_classes, 10, 1)
        return Prediction(x, 0.5 * tf.ones_like(x)), {"calls": calls}


def level_at(log_snr):
    """A level of any log SNR, for data that know no timestep."""
    return NoiseLevel(tf.constant(0), tf.constant(log_snr))
