"""A network small enough for every combination, and a transform to try on it."""

import numpy as np
import tensorflow as tf

from pdm_tf.config import UNetConfig
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import PatchedUNet
from pdm_tf.networks.transforms import LayerTransform

SHAPE = (8, 8, 1)


class Scaled(LayerTransform):
    """A kernel times a variable: the smallest transform with something to learn."""

    def __init__(self, factor=1.5):
        self.factor = tf.Variable(factor)

    def kernel(self, w):
        return w * tf.cast(self.factor, w.dtype)


def small_network(seed=0, **settings):
    """A network with every kind of layer, its weights drawn at random."""
    network = PatchedUNet(
        UNetConfig(
            image_shape=SHAPE,
            patch_size=2,
            width=8,
            channel_multipliers=(1.0, 2.0),
            blocks_per_level=1,
            attention_levels=(1,),
            num_classes=3,
            **settings,
        )
    )
    rng = np.random.default_rng(seed)
    for variable in network.variables:
        noise = rng.standard_normal(variable.shape, np.float32)
        variable.assign(variable + 0.1 * noise)
    return network


def small_denoiser(seed=0):
    """A denoiser of such a network, with a plan, conditioned on nothing."""
    plan = {"down_0_0/conv_in": Scaled(), "up_1_sample/conv": Scaled(0.5)}
    return NetworkDenoiser(small_network(seed), NoiseSchedule.linear(), plan=plan)
