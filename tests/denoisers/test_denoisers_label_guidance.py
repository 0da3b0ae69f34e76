"""Classifier guidance: each row by its own label, in proportion to the weight."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import SHAPE, small_denoiser

from pdm_tf.config import InputError
from pdm_tf.denoisers import guided
from pdm_tf.denoisers.classifier_guidance import time_of
from pdm_tf.denoisers.label_guidance import label_guided
from pdm_tf.networks.classifier import NoisyClassifier

RNG = np.random.default_rng(0)
LABELS = tf.constant([2, 0, 3])  # 3 is the null label
Z = tf.constant(RNG.normal(size=(3, *SHAPE)), tf.float32)


@pytest.fixture(scope="module")
def network():
    network = NoisyClassifier(SHAPE, 3, 8)
    for variable in network.variables:
        variable.assign(variable + 0.2 * RNG.normal(size=variable.shape))
    return network


@pytest.fixture(scope="module")
def base():
    return small_denoiser()


def estimate(denoise, level):
    return denoise(Z, denoise.schedule.level(level)).x.numpy()


def added(base, network, labels, t=400):
    """What the rule adds: the gradient by finite differences of log p, times beta."""
    level = base.schedule.level(t)
    alpha = float(tf.exp(level.log_snr) / (1 + tf.exp(level.log_snr)))
    way = RNG.normal(size=Z.shape).astype(np.float32)
    read = [
        tf.nn.log_softmax(network(Z + h * way, time_of(level))).numpy()
        for h in (1e-2, -1e-2)
    ]
    rows = [n for n, label in enumerate(labels) if label < 3]
    slopes = np.zeros(3)
    for n in rows:
        slopes[n] = (read[0][n, labels[n]] - read[1][n, labels[n]]) / 2e-2
    return way, slopes * (1 - alpha) / np.sqrt(alpha)


def test_each_row_moves_along_the_gradient_of_its_own_label(base, network):
    made = label_guided(base, network, conditional=False).conditioned(LABELS)
    change = estimate(made, 400) - estimate(base, 400)
    way, wanted = added(base, network, LABELS.numpy())
    np.testing.assert_allclose(
        (change * way).sum((1, 2, 3)), wanted, rtol=0.03, atol=3e-3
    )
    np.testing.assert_array_equal(change[2], 0)  # no label, no gradient


def test_without_labels_or_strength_it_is_the_base_bit_for_bit(base, network):
    plain = estimate(base, 300)
    np.testing.assert_array_equal(estimate(label_guided(base, network), 300), plain)
    still = label_guided(base, network, 0.0).conditioned(LABELS)
    np.testing.assert_array_equal(
        estimate(still, 300), estimate(base.conditioned(LABELS), 300)
    )


@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_of_an_unconditional_base_the_weight_is_the_scale(base, network, weight):
    """w·(x + g) - (w - 1)·x = x + w·g, the rule of arXiv 2105.05233."""
    made = label_guided(base, network, conditional=False)
    plain = estimate(base, 400)
    once = estimate(made.conditioned(LABELS), 400) - plain
    both = estimate(guided(made, LABELS, weight, threshold=None), 400) - plain
    np.testing.assert_allclose(both, weight * once, atol=2e-4)


def test_of_a_conditional_base_both_add_up(base, network):
    made = label_guided(base, network).conditioned(LABELS)
    free = label_guided(base, network, conditional=False).conditioned(LABELS)
    gradient = estimate(free, 400) - estimate(base, 400)
    wanted = estimate(base.conditioned(LABELS), 400) + gradient
    np.testing.assert_allclose(estimate(made, 400), wanted, atol=1e-5)


def test_a_classifier_of_other_classes_is_refused(base):
    with pytest.raises(InputError, match="other classes"):
        label_guided(base, NoisyClassifier(SHAPE, 4, 8))
