"""Settings of the methods that guide a model in another way."""

from dataclasses import dataclass

from pdm_tf.config.options import option
from pdm_tf.config.sampling import GUIDANCE


@dataclass(frozen=True)
class AutoguidanceConfig:
    """A worse version of a model guides it (arXiv 2406.02507)."""

    guide: str = option(
        "",
        "The worse version: the directory of a run, such as pdm-tf ema --at_step makes "
        "of the same training, or pretrained:NAME. Its weights are copied.",
    )
    weight: float = option(
        GUIDANCE, "Guidance weight w that samples have by default.", low=-100, high=100
    )


@dataclass(frozen=True)
class APGConfig:
    """Adaptive projected guidance (arXiv 2410.02416)."""

    parallel: float = option(
        0.0,
        "Share of the guidance along the conditional estimate that is kept; 1: all.",
        low=0,
        high=1,
    )
    norm: float = option(
        15.0,
        "Largest norm, over all pixels of a picture in [-1, 1], of the difference that "
        "guidance enlarges; 0: no bound.",
        low=0,
    )
    momentum: float = option(
        -0.5,
        "Share of the last step's difference that is added to this one's.",
        low=-1,
        high=1,
    )
    weight: float = option(
        GUIDANCE, "Guidance weight w that samples have by default.", low=-100, high=100
    )


@dataclass(frozen=True)
class RescaleConfig:
    """Guided estimates get back the deviation of conditional ones (2305.08891)."""

    share: float = option(
        0.7, "Share of the rescaled estimate in the result; 0: none.", low=0, high=1
    )
    weight: float = option(
        GUIDANCE, "Guidance weight w that samples have by default.", low=-100, high=100
    )


METHODS: dict[str, type] = {
    "apg": APGConfig,
    "autoguidance": AutoguidanceConfig,
    "rescale": RescaleConfig,
}
