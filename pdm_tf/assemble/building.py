"""Settings -> schedule, network, denoiser."""

import keras
import tensorflow as tf

from pdm_tf.config import Config
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import PatchedUNet
from pdm_tf.networks.hardware import warn_of_imitation


def named_variables(network: keras.Model) -> dict[str, tf.Variable]:
    """A network's trainable variables by path."""
    return {v.path: v.value for v in network.trainable_variables}


def build_schedule(config: Config) -> NoiseSchedule:
    """The schedule of a run."""
    return NoiseSchedule.linear(config.diffusion.timesteps, config.diffusion.beta_end)


def build_denoiser(config: Config) -> NetworkDenoiser:
    """A run's denoiser, its network freshly drawn."""
    warn_of_imitation(config.network.precision)
    network = PatchedUNet(config.network)
    return NetworkDenoiser(network, build_schedule(config), config.diffusion.prediction)
