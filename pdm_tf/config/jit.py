"""Settings of the patch transformer."""

from dataclasses import dataclass

from pdm_tf.config.options import Precision, option


@dataclass(frozen=True)
class JiTConfig:
    """JiT, a transformer on patches of pixels (arXiv 2511.13720).

    The defaults are those of B/16 for ImageNet at 256 pixels.
    """

    image_shape: tuple[int, ...] = option(
        (256, 256, 3), "Height, width [pixels] and channels of a picture.", sealed="run"
    )
    patch_size: int = option(16, "Side P of the square patches [pixels].", sealed="run")
    hidden_size: int = option(768, "Channels of a token.", sealed="run")
    depth: int = option(12, "Transformer blocks.", sealed="run")
    num_heads: int = option(12, "Heads of attention.", sealed="run")
    num_classes: int = option(
        1000, "Number of classes; 0 for an unconditional model.", sealed="run"
    )
    bottleneck: int = option(
        128, "Channels through which a patch becomes a token.", sealed="run"
    )
    context_tokens: int = option(
        32, "Tokens of the class put in front of the patches.", sealed="run"
    )
    context_start: int = option(
        4, "First block that has the tokens of the class.", sealed="run"
    )
    precision: Precision = option(
        "float32",
        "Arithmetic of the network; patches and output stay in float32.",
        sealed="model",
    )
