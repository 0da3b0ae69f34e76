"""Small U-Nets with random weights, their denoisers and pictures of them."""

import numpy as np
import reference
import tensorflow as tf

import pdm_tf as pdm
from pdm_tf.diffusion.gaussian import eps_from_x, noised
from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.samplers import start

GATED = pdm.UNetConfig(
    image_shape=(8, 8, 1),
    patch_size=2,
    width=8,
    channel_multipliers=(1.0, 2.0),
    blocks_per_level=1,
    attention_resolutions=(2,),
    num_classes=3,
)
SHAPE = GATED.image_shape
LABELS = (0, 1, 2)


def denoiser(config=GATED, seed=0):
    """A denoiser of a network whose every weight is random."""
    network = reference.randomise(pdm.PatchedUNet(config), seed)
    return pdm.NetworkDenoiser(network, pdm.NoiseSchedule.linear())


def as_it_samples(denoise, labels, guidance=1.5):
    """The denoiser as it samples: guided where there are classes, thresholded."""
    if denoise.num_classes:
        denoise = pdm.guided(denoise, labels, guidance, threshold=None)
    return pdm.thresholded(denoise)


def sampled(denoise, steps=7, seeds=(3, 4, 5), labels=LABELS):
    """Pictures by DDIM, float32 [N, H, W, C], step by step, which traces no loop."""
    denoise, grid = as_it_samples(denoise, labels), denoise.schedule.grid(steps)
    z = start(seeds, SHAPE)
    carry = denoise.init_carry(z)
    for i in range(steps):
        level = grid.level(i)
        (x, _), carry = denoise.predict(z, level, carry)
        if i + 1 < steps:
            z = noised(x, eps_from_x(z, x, level), grid.level(i + 1))
    return x.numpy()


def sampled_in_graph(denoise, steps=7, seeds=(3, 4, 5), labels=LABELS):
    """The same by the sampling loop."""
    denoise, grid = as_it_samples(denoise, labels), denoise.schedule.grid(steps)
    return pdm.sample(denoise, pdm.DDIM(), grid, seeds, SHAPE).numpy()


def silence(layers):
    """Zeroes kernels, so that what layers give does not depend on what they read."""
    for layer in layers:
        layer.kernel.assign(tf.zeros_like(layer.kernel.value))


class Counted:
    """A function that counts its calls where they are executed."""

    def __init__(self, function):
        self.function, self.calls = function, tf.Variable(0)

    def __call__(self, *given):
        self.calls.assign_add(1)
        return self.function(*given)


class Scaled(LayerTransform):
    """A layer with its output scaled."""

    def __init__(self, by):
        self.by = tf.Variable(by, dtype=tf.float32)

    def output(self, y, x, t):
        return y * tf.cast(self.by, y.dtype)


def rows(array, row):
    """One row, still a batch."""
    return np.asarray(array)[row : row + 1]
