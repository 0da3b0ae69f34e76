"""Settings of the methods that train what they quantise."""

from dataclasses import dataclass
from typing import Literal

from pdm_tf.config.deriving import TrainedConfig
from pdm_tf.config.options import option
from pdm_tf.config.post_training import QDiffusionConfig, QuantizedConfig


@dataclass(frozen=True)
class BinaryDMConfig(TrainedConfig, QuantizedConfig):
    """Weights of one bit, learned beside the network's own features (2404.05662)."""

    weight_bits: int = option(1, "Bits of weights: 1.")
    activation_bits: int = option(
        4, "Bits of what binary layers read, 2 to 16; 32 leaves it float32."
    )
    outer_bits: int = option(32, "The outer layers stay float32.")
    attention_bits: int = option(32, "The factors of attention's products do too.")
    bases: int = option(
        2, "Signs of each weight in the two finest levels; 1: as everywhere else."
    )
    learned_scales: bool = option(
        True, "Learn the scales of signs; otherwise they are the mean of |w|."
    )
    progressive: float = option(
        0.5,
        "Share of the steps in which the second basis of layers that end with one "
        "fades; 0: they begin with one.",
        low=0.0,
        high=1.0,
    )
    representation: float = option(
        1e-4, "Factor of the distance to the base's features; 0: none.", low=0.0
    )
    iterations: int = option(2000, "Training steps, of all commands together.")


@dataclass(frozen=True)
class GroupedConfig(QuantizedConfig):
    """Few bits of both, ranges by groups of timesteps; learned by what is estimated."""

    weight_bits: int = option(4, "Bits of weights, 2 to 16.")
    activation_bits: int = option(
        4, "Bits of what layers read, 2 to 16; 32 leaves it float32."
    )
    step_groups: int = option(
        20,
        "Groups of timesteps with ranges of activations of their own; 1: the same "
        "ranges at all.",
        low=1,
    )
    snr_ceiling: float = option(
        10.0, "Squared errors of x count min(sqrt(SNR), this) times.", low=0
    )
    range_rate: float = option(
        2e-3, "Step size of Adam for ends of ranges, in widths of these."
    )


@dataclass(frozen=True)
class EfficientDMConfig(GroupedConfig):
    """Tuned without pictures, by adapters within the rounding (2310.03270)."""

    iterations: int = option(400, "Steps of tuning the whole network; 0: none.", low=0)
    batch_size: int = option(32, "Evaluations in each of these steps.", low=1)
    calibration_images: int = option(
        96, "Pictures whose trajectories the network is tuned on."
    )
    as_sampled: bool = option(
        True,
        "Errors count by their part in guided estimates, and what static thresholding "
        "clips is none.",
    )
    rank: int = option(32, "Rank of the adapters; small layers take less.")
    adapter_rate: float = option(
        0.02, "Step size of Adam for adapters, in steps of each layer's weights."
    )
    scale_rate: float = option(
        1e-3, "Step size of Adam for logarithms of the weights' scales."
    )


@dataclass(frozen=True)
class QuESTConfig(GroupedConfig, QDiffusionConfig):
    """A few layers learn again, and all ranges of each group of steps (2402.03666)."""

    tuned: Literal["attention", "time", "both"] = option(
        "attention",
        "Layers whose weights learn again: attention's, the skips' and the output's; "
        "the blocks' projections of time; or both.",
    )
    tuning_iterations: int = option(
        400, "Steps of tuning these and all ranges; 0: none.", low=0
    )
    tuning_rate: float = option(
        0.02, "Step size of Adam for weights, in steps of each layer's weights."
    )
    bias_rate: float = option(1e-4, "Step size of Adam for biases.")
    as_sampled: bool = option(
        True,
        "Errors count by their part in guided estimates, and what static thresholding "
        "clips is none.",
    )
