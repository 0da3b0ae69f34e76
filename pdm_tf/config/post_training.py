"""Settings of the methods that quantise a trained model as it is."""

from dataclasses import dataclass

from pdm_tf.config.options import option

FLOAT = 32  # bits of what is left in float32


@dataclass(frozen=True)
class QuantizedConfig:
    """What every quantisation needs; a method's own Config extends this."""

    weight_bits: int = option(8, "Bits of weights, 2 to 16; 32 leaves them float32.")
    activation_bits: int = option(
        8, "Bits of what layers read, 2 to 16; 32 leaves it float32."
    )
    outer_bits: int = option(
        8,
        "Bits, where the others are fewer, of the layers that read and write pixels, "
        "of the time layers and of the variance head.",
    )
    attention_bits: int = option(
        8, "Bits of the factors of attention's two products; 32 leaves them float32."
    )
    calibration_images: int = option(
        32, "Pictures whose trajectories the ranges of activations are measured on."
    )
    calibration_steps: int = option(20, "Steps of DDIM of these trajectories.")
    seed: int = option(0, "Seed of all that is drawn in calibration.")


@dataclass(frozen=True)
class MinMaxConfig(QuantizedConfig):
    """Rounds to nearest within the range from least to largest: the naive way."""


@dataclass(frozen=True)
class PTQ4DMConfig(QuantizedConfig):
    """Ranges of least error on the model's own z at normal timesteps (2211.15736)."""

    ndtc_mean: float = option(
        0.4, "Mean of the normal law that timesteps are drawn from, as a share of T."
    )
    ndtc_deviation: float = option(
        0.4, "Its standard deviation, the same; 0: all at the mean."
    )
    calibration_images: int = option(
        256, "Pictures, each of which gives the z of one timestep."
    )
    calibration_steps: int = option(50, "Steps of DDIM of these trajectories.")


@dataclass(frozen=True)
class RoundedConfig(QuantizedConfig):
    """How blocks learn to round; a method's Config extends this."""

    iterations: int = option(400, "Steps of learned rounding of each block; 0: none.")
    batch_size: int = option(32, "Evaluations in each of these steps.")
    rounding_rate: float = option(1e-2, "Step size of Adam for learned rounding.")


@dataclass(frozen=True)
class ReconstructedConfig(RoundedConfig):
    """How blocks learn to give what they gave; a method's Config extends this."""

    activation_iterations: int = option(
        100, "Steps in which each block learns the ranges of what it reads; 0: none."
    )
    step_rate: float = option(1e-3, "Step size of Adam for logarithms of ranges.")


@dataclass(frozen=True)
class QDiffusionConfig(ReconstructedConfig):
    """Blocks learn how to round on the model's own trajectories (2302.04304)."""

    split: bool = option(
        True,
        "Both halves of what the decoder's projections read have ranges and scales of "
        "their own.",
    )
    calibrated_steps: int = option(
        10, "Steps of each trajectory that are calibrated on, the last one besides."
    )


@dataclass(frozen=True)
class TFMQConfig(RoundedConfig):
    """Layers of time are rounded as one, ranges are by step (2311.16503)."""

    rounding_rate: float = option(3e-2, "Step size of Adam for learned rounding.")
    iterations: int = option(300, "Steps of learned rounding of each block; 0: none.")
    temporal_iterations: int = option(
        800, "Steps in which all layers of time and class learn to round; 0: none."
    )
    temporal_batch: int = option(256, "Timesteps in each of these.")
    step_ranges: bool = option(
        True, "Each step of calibration has ranges of activations of its own."
    )
    split: bool = option(
        True,
        "Both halves of what the decoder's projections read have ranges and scales of "
        "their own.",
    )
    calibration_images: int = option(
        16, "Pictures whose trajectories the ranges of activations are measured on."
    )
    calibration_steps: int = option(
        50, "Steps of DDIM of these trajectories, best as many as will be sampled with."
    )
    calibrated_steps: int = option(
        10, "Steps of each trajectory that blocks learn on, the last one besides."
    )


@dataclass(frozen=True)
class TemporalCacheConfig(TFMQConfig):
    """As tfmq_dm, what is made of the timestep is looked up by step (2407.19547)."""

    cache_bits: int = option(8, "Bits of the tables, 2 to 8; 32 leaves them float32.")
    cached_steps: tuple[int, ...] = option(
        (50,),
        "Numbers of steps of a sampler whose timesteps tables hold; sampling takes no "
        "others.",
    )


@dataclass(frozen=True)
class EDADMConfig(RoundedConfig):
    """Calibrates on dense and varied steps, blocks learn with layers (2401.04585)."""

    iterations: int = option(250, "Steps in which each block learns; 0: none.")
    batch_size: int = option(16, "Evaluations in each of these steps.")
    rounding_rate: float = option(5e-2, "Step size of Adam for learned rounding.")
    step_rate: float = option(1e-3, "Step size of Adam for logarithms of ranges.")
    layer_weight: float = option(
        0.8,
        "Weight of the layers' own errors beside that of their block; 0: none.",
        low=0,
    )
    variety_weight: float = option(
        1.2,
        "Weight of a step's variety beside its density where evaluations are allotted "
        "to steps.",
        low=0,
    )
    allotted: bool = option(
        True, "Evaluations are allotted to steps by their features; no: evenly."
    )
    evaluations: int = option(256, "Evaluations of the network that blocks learn on.")
    split: bool = option(
        True,
        "Both halves of what the decoder's projections read have ranges and scales of "
        "their own.",
    )


@dataclass(frozen=True)
class LowBitFloatConfig(ReconstructedConfig):
    """Floating-point numbers of 8 bits, or of 4 for weights (2408.06995)."""

    activation_iterations: int = option(0, "None: formats of activations are searched.")
    calibrated_steps: int = option(
        10, "Steps of each trajectory that are calibrated on, the last one besides."
    )


@dataclass(frozen=True)
class DGQConfig(QuantizedConfig):
    """Groups of channels of like range, logarithmic attention (2501.04304)."""

    activation_bits: int = option(
        6, "Bits of what layers read, 2 to 16; 32 leaves it float32."
    )
    attention_bits: int = option(
        6, "Bits of the factors of attention's two products; 32 leaves them float32."
    )
    groups: int = option(8, "Groups of input channels of each layer; 1: none.")
    log_softmax: bool = option(True, "Keep attention's probabilities logarithmically.")


@dataclass(frozen=True)
class SVDQuantConfig(QuantizedConfig):
    """Outliers into a branch of low rank, the rest into 4 bits (2411.05007)."""

    weight_bits: int = option(4, "Bits of weights, 2 to 8.")
    activation_bits: int = option(
        4, "Bits of what layers read, 2 to 16; 32 leaves it float32."
    )
    rank: int = option(
        -1, "Rank of the branches; -1: an eighth of each layer's outputs; 0: none."
    )
    smoothing: bool = option(
        True, "Even out input channels, by the best of 39 candidates."
    )
    rounds: int = option(
        20, "Rounds, at most, in which branch and residual are found in turn."
    )


@dataclass(frozen=True)
class MixDQConfig(QuantizedConfig):
    """Each layer has bits by what its rounding does to pictures (2405.17873)."""

    weight_bits: int = option(
        5, "Mean bits of weights over all layers but the outer ones, never exceeded."
    )
    activation_bits: int = option(
        8, "Mean bits of what layers read; 32 leaves it float32."
    )
    weight_choices: tuple[int, ...] = option(
        (2, 3, 4, 5, 6, 8), "Bits of weights that a layer may have."
    )
    activation_choices: tuple[int, ...] = option(
        (4, 6, 8), "Bits that what a layer reads may have."
    )
    float_share: float = option(
        0.02,
        "Share of the network's multiplications in layers that read float32: those "
        "which suffer most. They stay float32 in 8-bit exports too.",
        low=0.0,
        high=1.0,
    )
    decoupled: bool = option(
        True,
        "Score attention and the deepest layers by the similarity of pictures, the "
        "others by the network's output; otherwise all by its output.",
    )
    budget_splits: tuple[float, ...] = option(
        (0.4, 0.55, 0.7, 0.85, 1.0, 1.2),
        "Mean bits of the former layers over those of the others; that one is kept "
        "whose pictures are nearest.",
    )
    sensitivity_rows: int = option(
        64, "Evaluations that the error of the output is measured on.", low=1
    )
    sensitivity_images: int = option(
        8, "Pictures that similarity is measured on.", low=1
    )
    sensitivity_steps: int = option(10, "Steps of DDIM of these pictures.", low=1)
