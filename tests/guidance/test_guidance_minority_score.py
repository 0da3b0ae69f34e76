"""The minority score: exact on normal pictures, higher for what is rare."""

import numpy as np
import tensorflow as tf
from toys import SHAPE

from pdm_tf.denoisers import Denoiser, Prediction
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.guidance.minority_score import (
    classes_of,
    minority_scores,
    quantile_edges,
)

SIZE = int(np.prod(SHAPE))


class Normal(Denoiser):
    """The exact denoiser of independent normal pixels, N(mean, variances)."""

    image_shape, num_classes, schedule = SHAPE, 0, NoiseSchedule.linear()

    def __init__(self, mean, variances):
        self.mean, self.variances = (
            np.float32(v).reshape(SHAPE) for v in (mean, variances)
        )

    def __call__(self, z, level):
        level = level.per_pixel()
        total = level.alpha * self.variances + 1.0 - level.alpha
        gain = level.signal * self.variances / total
        x = self.mean + gain * (z - level.signal * self.mean)
        return Prediction(x, tf.ones_like(x))


class TwoKinds(Denoiser):
    """95 % of the pictures are about +0.5, 5 % about -0.5, each with deviation 0.1."""

    image_shape, num_classes, schedule = SHAPE, 0, NoiseSchedule.linear()
    shares, centres, std = (0.95, 0.05), (0.5, -0.5), 0.1

    def __call__(self, z, level):
        level = level.per_pixel()
        total = level.alpha * self.std**2 + 1.0 - level.alpha
        gaps = [z - level.signal * centre for centre in self.centres]
        logits = [
            np.log(share) - 0.5 * tf.reduce_sum(gap**2 / total, [1, 2, 3], True)
            for share, gap in zip(self.shares, gaps, strict=True)
        ]
        weights = tf.unstack(tf.nn.softmax(tf.stack(logits), axis=0))
        gain = level.signal * self.std**2 / total
        x = tf.add_n(
            [
                weight * (centre + gain * gap)
                for weight, centre, gap in zip(weights, self.centres, gaps, strict=True)
            ]
        )
        return Prediction(x, tf.ones_like(x))


def test_of_normal_pictures_it_is_the_closed_form():
    rng = np.random.default_rng(0)
    mean, variances = 0.2 * rng.normal(size=SIZE), rng.uniform(0.05, 0.5, SIZE)
    denoise = Normal(mean, variances)
    x = rng.normal(mean, np.sqrt(variances), (6, SIZE)).astype(np.float32)
    t, draws = 450, 500
    a = np.exp(denoise.schedule.log_alpha[t])
    total = a * variances + 1 - a
    bias = (1 - a) / total * (x - mean)
    gain = np.sqrt(a) * variances / total  # K, here diagonal
    wanted = np.square(bias).mean(1) + (1 - a) * np.square(gain).mean()
    found = minority_scores(denoise, x.reshape(6, *SHAPE), t, draws, clip=False)
    np.testing.assert_allclose(found, wanted, rtol=0.05)
    # The same noises for all: what chance adds to two pictures differs by the part
    # that is linear in them alone.
    few = minority_scores(denoise, x.reshape(6, *SHAPE), t, 1, clip=False)
    twice = minority_scores(denoise, x.reshape(6, *SHAPE)[::-1], t, 1, clip=False)
    np.testing.assert_allclose(few, twice[::-1], rtol=1e-5)


def test_of_a_mixture_the_rare_kind_scores_higher():
    rng = np.random.default_rng(1)
    kinds = rng.random(200) < 0.95
    centres = np.where(kinds, 0.5, -0.5)[:, None, None, None]
    x = (centres + 0.1 * rng.normal(size=(200, *SHAPE))).astype(np.float32)
    scores = minority_scores(TwoKinds(), x, 850, draws=10)
    assert scores[~kinds].mean() > 2 * scores[kinds].mean()


def test_classes_by_score_are_of_equal_size_and_rise():
    scores = np.random.default_rng(2).random(1000).astype(np.float32)
    edges = quantile_edges(scores, 10)
    found = classes_of(scores, edges)
    assert np.bincount(found).tolist() == [100] * 10
    means = [scores[found == k].mean() for k in range(10)]
    assert means == sorted(means)
    assert classes_of(np.float32([-1, 2]), edges).tolist() == [0, 9]
