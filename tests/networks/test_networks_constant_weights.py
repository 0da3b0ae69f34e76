"""A frozen network is the same function of its inputs, and no longer of its weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.config import UNetConfig
from pdm_tf.networks import PatchedUNet
from pdm_tf.networks.constant_weights import with_constant_weights


@pytest.fixture(scope="module", params=[0, 3])
def network(request) -> PatchedUNet:
    keras.utils.set_random_seed(0)
    made = PatchedUNet(
        UNetConfig(
            image_shape=(16, 16, 1),
            patch_size=2,
            width=32,
            channel_multipliers=(1.0, 2.0),
            blocks_per_level=(1,),
            attention_resolutions=(4,),
            num_classes=request.param,
        )
    )
    for variable in made.trainable_variables:
        variable.assign(variable + 0.05 * keras.random.normal(variable.shape))
    return made


def asked(network: PatchedUNet, number: int, levels: int) -> tuple:
    z = tf.random.stateless_normal([number, *network.config.image_shape], (1, number))
    labels = tf.range(number) % 3 if network.config.num_classes else None
    return z, tf.range(levels) * 7, labels


@pytest.mark.parametrize(("number", "levels"), [(1, 1), (4, 1), (3, 3)])
def test_it_answers_as_the_network_does(network, number, levels):
    fixed, asking = with_constant_weights(network), asked(network, number, levels)
    for found, wanted in zip(fixed(*asking), network(*asking), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_its_weights_are_those_of_the_moment_it_was_made(network):
    fixed, asking = with_constant_weights(network), asked(network, 2, 1)
    before = [np.array(out) for out in network(*asking)]
    kept = [v.numpy() for v in network.variables]
    for variable in network.trainable_variables:
        variable.assign(2.0 * variable)
    try:
        after = [np.array(out) for out in fixed(*asking)]
        assert np.abs(after[0] - network(*asking)[0]).max() > 0.1
    finally:
        for variable, value in zip(network.variables, kept, strict=True):
            variable.assign(value)
    for found, wanted in zip(after, before, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
