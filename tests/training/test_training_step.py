"""One training step: what is drawn for it, and who learns from what."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import UNetConfig
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import PatchedUNet
from pdm_tf.training.objective import Objective, draw

SMALL = UNetConfig(
    image_shape=(8, 8, 1),
    patch_size=2,
    width=8,
    channel_multipliers=(1.0,),
    blocks_per_level=1,
    attention_resolutions=(),
    num_classes=3,
)


def test_every_timestep_of_the_range_is_trained():
    seen = set()
    objective = Objective(None, NoiseSchedule.linear(20), "x", "snr", 0.1, (3, 12))
    for step in range(40):
        u = draw(0, tf.constant(step), 8).u
        first, last = objective.t_range
        t = first + tf.cast(u * float(last - first + 1), tf.int32)
        seen |= set(t.numpy().tolist())
    assert seen == set(range(3, 13))


@pytest.fixture(scope="module")
def network() -> PatchedUNet:
    keras.utils.set_random_seed(1)
    made = PatchedUNet(SMALL)
    rng = np.random.default_rng(0)
    for v in made.trainable_variables:
        v.assign(v + 0.1 * rng.normal(size=v.shape))
    return made


def test_losses_of_an_example_do_not_depend_on_the_batch(network):
    objective = Objective(network, NoiseSchedule.linear(), "x", "snr", 0.5, (0, 999))
    draws = draw(0, tf.constant(5), 8)
    x = tf.random.stateless_uniform([8, 8, 8, 1], [1, 2], -1.0, 1.0)
    y = tf.range(8) % 3
    whole = objective(x, y, draws)
    half = objective(x[4:], y[4:], type(draws)(*(d[4:] for d in draws)))
    np.testing.assert_allclose(whole.simple[4:], half.simple, rtol=1e-4)
    np.testing.assert_allclose(whole.vlb[4:], half.vlb, rtol=1e-3)


def test_only_the_variance_head_learns_from_the_bound(network):
    objective = Objective(network, NoiseSchedule.linear(), "x", "snr", 0.1, (0, 999))
    x = tf.random.stateless_uniform([8, 8, 8, 1], [1, 2], -1.0, 1.0)
    with tf.GradientTape(persistent=True) as tape:
        losses = objective(x, tf.range(8) % 3, draw(0, tf.constant(1), 8))
        simple, vlb = tf.reduce_sum(losses.simple), tf.reduce_sum(losses.vlb)
    weights = network.trainable_variables
    of_simple, of_vlb = tape.gradient(simple, weights), tape.gradient(vlb, weights)
    for variable, a, b in zip(weights, of_simple, of_vlb, strict=True):
        is_head = "/variance_" in variable.path
        assert (b is not None) == is_head, variable.path
        assert (a is None) == is_head, variable.path


@pytest.mark.parametrize("label_dropout", [0.0, 0.3, 1.0])
def test_share_of_hidden_labels(label_dropout):
    hidden = [
        np.mean(draw(0, tf.constant(step), 64).drop.numpy() < label_dropout)
        for step in range(50)
    ]
    np.testing.assert_allclose(np.mean(hidden), label_dropout, atol=0.03)
