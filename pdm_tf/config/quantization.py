"""Settings of the methods that quantise a model."""

from dataclasses import dataclass

from pdm_tf.config.options import option
from pdm_tf.config.post_training import (
    FLOAT,
    DGQConfig,
    EDADMConfig,
    LowBitFloatConfig,
    MinMaxConfig,
    MixDQConfig,
    PTQ4DMConfig,
    QDiffusionConfig,
    QuantizedConfig,
    ReconstructedConfig,
    RoundedConfig,
    SVDQuantConfig,
    TemporalCacheConfig,
    TFMQConfig,
)
from pdm_tf.config.quantization_aware import (
    BinaryDMConfig,
    EfficientDMConfig,
    GroupedConfig,
    QuESTConfig,
)

__all__ = [
    "FLOAT",
    "METHODS",
    "BinaryDMConfig",
    "CompareMethodsConfig",
    "DGQConfig",
    "EDADMConfig",
    "EfficientDMConfig",
    "GroupedConfig",
    "LowBitFloatConfig",
    "MinMaxConfig",
    "MixDQConfig",
    "PTQ4DMConfig",
    "QDiffusionConfig",
    "QuESTConfig",
    "QuantizedConfig",
    "ReconstructedConfig",
    "RoundedConfig",
    "SVDQuantConfig",
    "TFMQConfig",
    "TemporalCacheConfig",
]


@dataclass(frozen=True)
class CompareMethodsConfig:
    """Applies several methods to one base, and shows them beside each other."""

    methods: tuple[str, ...] = option(
        ("min_max", "ptq4dm", "q_diffusion", "dgq", "svdquant"), "Names of methods."
    )
    weight_bits: int = option(4, "Bits of weights, of every method.")
    activation_bits: int = option(8, "Bits of what layers read, of every method.")


METHODS: dict[str, type] = {
    "min_max": MinMaxConfig,
    "ptq4dm": PTQ4DMConfig,
    "q_diffusion": QDiffusionConfig,
    "tfmq_dm": TFMQConfig,
    "temporal_cache": TemporalCacheConfig,
    "eda_dm": EDADMConfig,
    "low_bit_float": LowBitFloatConfig,
    "dgq": DGQConfig,
    "svdquant": SVDQuantConfig,
    "mixdq": MixDQConfig,
    "binarydm": BinaryDMConfig,
    "efficientdm": EfficientDMConfig,
    "quest": QuESTConfig,
}
