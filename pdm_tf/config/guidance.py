"""Settings of the methods that guide a model in another way."""

from dataclasses import dataclass

from pdm_tf.config.deriving import TrainedConfig
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


@dataclass(frozen=True)
class MinorityConfig(TrainedConfig):
    """What is rare for a model is drawn more often (arXiv 2301.12334)."""

    strength: float = option(
        48.0, "How strongly samples are led to the rare; 0: not at all.", low=0
    )
    classes: int = option(
        10, "Classes of rarity of equal size; samples are led to the rarest.", high=1000
    )
    pictures: int = option(
        4000, "Training pictures that are scored, at most, spread over all.", low=1
    )
    snr: float = option(
        0.3,
        "Signal-to-noise ratio of the level that pictures are noised to for a score.",
        low=1e-6,
        high=1e6,
    )
    draws: int = option(5, "Noises for each score, the same ones for all.", low=1)
    width: int = option(32, "Channels of the classifier's finest level.", low=2)
    iterations: int = option(1000, "Training steps of the classifier.")
    batch_size: int = option(64, "Pictures in each step.")


@dataclass(frozen=True)
class ClassifierConfig(TrainedConfig):
    """A classifier of noisy pictures, trained here, leads to classes (2105.05233)."""

    strength: float = option(
        1.0, "Strength of the classifier's gradient at weight 1; 0: none.", low=0
    )
    conditional: bool = option(
        True, "Condition the base on the class as well; else it is unconditional."
    )
    weight: float = option(
        GUIDANCE,
        "Guidance weight w that samples have by default; it multiplies the gradient.",
        low=-100,
        high=100,
    )
    width: int = option(32, "Channels of the classifier's finest level.", low=2)
    iterations: int = option(4000, "Training steps of the classifier.")
    batch_size: int = option(64, "Pictures in each step.")


METHODS: dict[str, type] = {
    "apg": APGConfig,
    "autoguidance": AutoguidanceConfig,
    "classifier": ClassifierConfig,
    "minority": MinorityConfig,
    "rescale": RescaleConfig,
}
