"""Small networks with weights that are nowhere zero, for tests of layer plans."""

import keras
import numpy as np
import tensorflow as tf

from pdm_tf.config import UNetConfig
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import PatchedUNet

SMALL = UNetConfig(  # with every kind of layer
    image_shape=(16, 16, 1),
    patch_size=2,
    width=8,
    channel_multipliers=(1.0, 2.0),
    blocks_per_level=1,
    attention_resolutions=(4,),
    num_classes=3,
)
SCHEDULE = NoiseSchedule.linear()


def small_network(seed=0, config=SMALL):
    keras.utils.set_random_seed(seed)
    network, rng = PatchedUNet(config), np.random.default_rng(seed)
    for variable in network.variables:
        drawn = 0.3 * rng.normal(size=variable.shape)
        variable.assign(
            drawn / np.sqrt(max(np.prod(variable.shape[:-1]), 1)) + variable
        )
    return network


def small_denoiser(network=None, plan=None, apart=True):
    return NetworkDenoiser(
        small_network() if network is None else network,
        SCHEDULE,
        apart=apart,
        plan=plan,
    )


def noisy(count=3, seed=1):
    shape = (count, *SMALL.image_shape)
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)
