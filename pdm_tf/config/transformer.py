"""Settings of the patch transformer."""

from dataclasses import dataclass

from pdm_tf.config.conditioning import ConditioningConfig
from pdm_tf.config.options import Precision, option


@dataclass(frozen=True)
class TransformerConfig:
    """What a run's patch transformer has beside what every network has.

    The defaults are those of JiT-B (arXiv 2511.13720); not looked at with
    architecture=unet.
    """

    hidden_size: int = option(
        768, "Channels of a token of the transformer.", low=4, sealed="run"
    )
    depth: int = option(12, "Blocks of the transformer.", low=1, sealed="run")
    num_heads: int = option(
        12, "Heads of the transformer's attention.", low=1, sealed="run"
    )
    bottleneck: int = option(
        128,
        "Channels through which a patch becomes a token of the transformer.",
        low=1,
        sealed="run",
    )
    context_tokens: int = option(
        32,
        "Tokens of the class that the transformer has beside those of the patches.",
        low=0,
        sealed="run",
    )
    context_start: int = option(
        4,
        "First block of the transformer that has the tokens of the class, 0 the first "
        "of all.",
        low=0,
        sealed="run",
    )


@dataclass(frozen=True)
class JiTConfig(ConditioningConfig, TransformerConfig):
    """JiT, a transformer on patches of pixels (arXiv 2511.13720)."""

    image_shape: tuple[int, ...] = option(
        (256, 256, 3), "Height, width [pixels] and channels of a picture."
    )
    patch_size: int = option(16, "Side P of the square patches [pixels].")
    num_classes: int = option(1000, "Number of classes; 0 for none.")
    precision: Precision = option("float32", "Arithmetic of the network.")
    augment: float = option(0.0, "Whether it is conditioned on augmentation; 0: no.")
