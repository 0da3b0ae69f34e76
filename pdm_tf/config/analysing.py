"""The command line of `python -m pdm_tf.analysis`."""

from dataclasses import dataclass

from pdm_tf.config.options import option
from pdm_tf.config.sampling import GRIDS


@dataclass(frozen=True)
class AnalysisConfig:
    """What every figure takes."""

    dataset: str = option(
        "mnist",
        "Pictures to learn from and to measure by: mnist, photos, or another source of "
        "train.py that has a held-out part.",
    )
    image_shape: tuple[int, ...] = option(
        (), "Height, width, channels; empty: 32,32,1 for mnist and 32,32,3 otherwise."
    )
    out: str = option(
        "analysis",
        "Directory for pictures, tables and networks. A finished network in it is not "
        "trained again, an unfinished one is resumed.",
    )
    iterations: int = option(
        1000, "Steps of training for each network; a larger number trains on."
    )
    initial_iterations: int = option(
        300, "The same for figure3, which is about the first steps."
    )
    training_batch: int = option(32, "Pictures in each step of training.")
    learning_rate: float = option(1e-3, "Step size of Adam.", low=0)
    widen: int = option(1, "Multiplies the width of every network.")
    seed: int = option(0, "Seed of weights, data order, noise and samples.")
    batch_size: int = option(128, "Pictures computed at once; changes no figure.")
    pictures: int = option(
        0, "Pictures of the data set that x* averages over, at most; 0: all."
    )
    judged: int = option(256, "Pictures that errors are averaged over.")
    t: int = option(970, "Timestep of figure4.")
    num_images: int = option(1000, "Pictures drawn for each patch size in table1.")
    steps: int = option(
        GRIDS.steps, "Steps of the sampler in table1 (the paper takes 250)."
    )


@dataclass(frozen=True)
class Figure1Config(AnalysisConfig):
    """Figure 1: x* as t grows, and reconstructions that are possible."""


@dataclass(frozen=True)
class Figure2Config(AnalysisConfig):
    """Figure 2: distortion of P = 4 and P = 8 relative to P = 2, over t."""


@dataclass(frozen=True)
class Figure3Config(AnalysisConfig):
    """Figure 3: the first steps of networks that predict x, eps or v."""


@dataclass(frozen=True)
class Figure4Config(AnalysisConfig):
    """Figure 4: what eps- and x-prediction estimate at a high t, beside x*."""


@dataclass(frozen=True)
class Table1Config(AnalysisConfig):
    """Table 1: speed of sampling and Fréchet distance for P = 2, 4 and 8."""


@dataclass(frozen=True)
class AllFiguresConfig(AnalysisConfig):
    """All of them, one after the other."""


FIGURES: dict[str, type[AnalysisConfig]] = {
    "figure1": Figure1Config,
    "figure2": Figure2Config,
    "figure3": Figure3Config,
    "figure4": Figure4Config,
    "table1": Table1Config,
    "all": AllFiguresConfig,
}
