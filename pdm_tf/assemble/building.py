"""Settings -> schedule, network, denoiser, objective."""

from dataclasses import asdict

import keras
import tensorflow as tf

from pdm_tf.assemble.settings import build_schedule, t_range
from pdm_tf.config import Config, JiTConfig
from pdm_tf.data.augmentation import PlainAugmentation
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.denoisers.objective import Objective
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import JiT, PatchedUNet
from pdm_tf.networks.hardware import warn_of_imitation
from pdm_tf.objectives import DenoisingObjective
from pdm_tf.objectives.augmented import AugmentedObjective
from pdm_tf.objectives.levels import Levels, log_normal
from pdm_tf.objectives.loss_history import LossHistory


def named_variables(network: keras.Model) -> dict[str, tf.Variable]:
    """A network's trainable variables by path, as checkpoints name them."""
    return {v.path: v.value for v in network.trainable_variables}


def build_denoiser(config: Config) -> NetworkDenoiser:
    """A run's denoiser, its network freshly drawn."""
    warn_of_imitation(config.network.precision)
    network = build_network(config)
    return NetworkDenoiser(network, build_schedule(config), config.diffusion.prediction)


def build_network(config: Config) -> keras.Model:
    """A run's network, freshly drawn."""
    network = config.network
    if network.architecture == "unet":
        return PatchedUNet(network)
    return JiT(
        JiTConfig(
            **asdict(config.transformer),
            image_shape=network.image_shape,
            patch_size=network.patch_size,
            num_classes=network.num_classes,
            precision=network.precision,
            augment=network.augment,
            several_labels=network.several_labels,
            attributes=network.attributes,
        )
    )


def build_objective(config: Config, denoiser: NetworkDenoiser) -> Objective:
    """What a run minimises, for all weights of a network."""
    network = denoiser.network
    inlined = NetworkDenoiser(
        network, denoiser.schedule, config.diffusion.prediction, apart=False
    )
    objective = DenoisingObjective(
        inlined,
        named_variables(network),
        config.diffusion.weighting,
        config.training.label_dropout,
        t_range(config),
        _levels(config, denoiser.schedule),
        config.learning.stratified,
        config.learning.condition_dropout,
        LossHistory() if config.learning.timesteps_by == "loss" else None,
    )
    if not config.network.augment:
        return objective
    names = config.augmenting.augment_transforms
    return AugmentedObjective(objective, config.network.augment, names)


def plain_augmentation(config: Config) -> PlainAugmentation:
    """What changes a run's pictures beside horizontal flips."""
    own = config.augmenting
    return PlainAugmentation(own.vertical_flip, own.random_crop, own.colour_jitter)


def _levels(config: Config, schedule: NoiseSchedule) -> Levels | None:
    """Which levels are trained; None: those of the schedule itself."""
    learning = config.learning
    if learning.levels == "own":
        return None
    return log_normal(schedule, learning.levels_mean, learning.levels_std)
