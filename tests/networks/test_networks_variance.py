"""The variance head learns from L_vlb alone, and nothing else does (Appendix C)."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import reference
import tensorflow as tf

from pdm_tf.config import UNetConfig
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import NETWORKS
from pdm_tf.objectives import DenoisingObjective

PLAIN = UNetConfig(
    image_shape=(8, 8, 1),
    width=8,
    channel_multipliers=(1.0, 2.0),
    attention_resolutions=(4,),
)
GATED = replace(PLAIN, num_classes=3)
ADDED = replace(GATED, class_gate=False)


def movements(network, loss):
    """The largest gradient of each variable, by path; 0 for none.

    Without the biases that a normalisation of single channels takes away at once.
    """
    variables = network.trainable_variables
    variables = [v for v in variables if not v.path.endswith("conv_in/bias")]
    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, [v.value for v in variables])
    return {
        v.path: 0.0 if g is None else float(tf.reduce_max(tf.abs(g)))
        for v, g in zip(variables, gradients, strict=True)
    }


def of_head(path):
    return "/variance_" in path


# A prediction and a way of classes each; their pairs are slow.
QUICK = {("x", PLAIN), ("eps", GATED), ("v", ADDED)}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize(
    ("prediction", "config"),
    [
        pytest.param(*pair, marks=[pytest.mark.slow] * (pair not in QUICK))
        for pair in product(["x", "eps", "v"], [PLAIN, GATED, ADDED])
    ],
)
def test_each_loss_moves_its_own_weights(kind, config, prediction):
    network = reference.randomise(NETWORKS[kind](config))
    denoise = NetworkDenoiser(network, NoiseSchedule.linear(), prediction)
    objective = DenoisingObjective(denoise, {}, "sqrt_snr", 0.1, (0, 999))
    rng = np.random.default_rng(0)
    x = tf.constant(rng.uniform(-1, 1, (6, *config.image_shape)), tf.float32)
    labels = tf.constant([0, 1, 2, 0, 1, 2])
    draws = objective.draw(0, tf.constant(3), 6)

    simple = movements(network, lambda: objective(x, labels, draws).terms["simple"])
    assert not any(size for path, size in simple.items() if of_head(path))
    assert all(size for path, size in simple.items() if not of_head(path))

    vlb = movements(network, lambda: objective(x, labels, draws).terms["vlb"])
    assert not any(size for path, size in vlb.items() if not of_head(path))
    assert all(size for path, size in vlb.items() if of_head(path))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("config", [GATED, ADDED], ids=["gated", "added"])
def test_the_head_hears_of_the_class_through_the_estimate_alone(kind, config):
    """At fresh weights the estimate knows nothing of the class."""
    fresh = NETWORKS[kind](config)
    rng = np.random.default_rng(0)
    z = tf.constant(rng.normal(size=(4, 8, 8, 1)), tf.float32)
    t, labels = tf.constant([0, 10, 500, 999]), tf.constant([0, 1, 2, 3])
    output, variance = fresh(z, t, labels)
    other, unmoved = fresh(z, t, labels[::-1])
    np.testing.assert_array_equal(output, other)
    assert np.std(variance) > 1e-3
    np.testing.assert_array_equal(variance, unmoved)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_head_sees_the_picture_the_estimate_and_the_time(kind):
    network = reference.randomise(NETWORKS[kind](GATED))
    rng = np.random.default_rng(0)
    z = tf.constant(rng.normal(size=(1, 8, 8, 1)), tf.float32)

    def variance(z, t, label):
        return network(z, tf.constant([t]), tf.constant([label]))[1].numpy()

    here = variance(z, 500, 0)
    for other in (variance(z + 0.5, 500, 0), variance(z, 20, 0), variance(z, 500, 1)):
        assert np.abs(other - here).max() > 1e-3
