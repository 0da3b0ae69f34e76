"""The trainings of docs/predictions.md: every one costs the same operations."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from pdm_tf.assemble.building import build_network
from pdm_tf.config import (
    Config,
    DataConfig,
    DiffusionConfig,
    SamplingConfig,
    TrainingConfig,
    TransformerConfig,
    UNetConfig,
)
from pdm_tf.config.options import Architecture, Prediction
from pdm_tf.profiling.flops import count_denoise_flops

COST = 1.5e12  # operations of a cell's training
PATCHES = (8, 16, 4)
BACK = 2  # operations on the way back are twice those there


class Pictures(NamedTuple):
    """What networks are trained on."""

    dataset: str
    image_shape: tuple[int, int, int]
    num_classes: int
    batch_size: int
    samples: int  # of a trained network, to measure it


DATA = {
    "digits": Pictures("mnist", (32, 32, 1), 10, 64, 300),
    "photographs": Pictures("photos", (32, 32, 3), 0, 32, 500),
}


class Cell(NamedTuple):
    """What is trained."""

    data: str  # a name of `DATA`
    network: Architecture
    patch: int
    prediction: Prediction

    @property
    def name(self) -> str:
        ahead = "" if self.data == "digits" else f"{self.data}_"
        return f"{ahead}{self.network}_p{self.patch}_{self.prediction}"


def cells(data: Sequence[str], patches: Sequence[int]) -> list[Cell]:
    """All, those of one patch size beside each other."""
    return [
        Cell(name, network, patch, prediction)
        for name in data
        for patch in patches
        for network in get_args(Architecture)
        for prediction in get_args(Prediction)
    ]


def settings_of(cell: Cell, folder: Path, cost: float) -> Config:
    """A training of so many operations; all but the cell's own is alike."""
    pictures = DATA[cell.data]
    network = UNetConfig(
        image_shape=pictures.image_shape,
        patch_size=cell.patch,
        num_classes=pictures.num_classes,
        width=32,
        channel_multipliers=(1.0, 2.0),
        blocks_per_level=1,
        attention_levels=(1,),
        architecture=cell.network,
    )
    transformer = TransformerConfig(
        hidden_size=96,
        depth=4,
        num_heads=4,
        bottleneck=32,
        context_tokens=2 if pictures.num_classes else 0,
        context_start=1,
    )
    config = Config(
        data=DataConfig(dataset=pictures.dataset),
        network=network,
        transformer=transformer,
        diffusion=DiffusionConfig(prediction=cell.prediction, weighting="sqrt_snr"),
        sampling=SamplingConfig(thresholding="static"),
    )
    flops = count_denoise_flops(build_network(config), pictures.image_shape) or 1
    training = TrainingConfig(
        run_dir=str(folder / cell.name),
        iterations=round(cost / ((1 + BACK) * flops * pictures.batch_size)),
        batch_size=pictures.batch_size,
        learning_rate=2e-3,
        warmup=100,
        ema_every=1,
        sample_every=0,
        save_every=100_000,
        keep=1,
        export=False,
    )
    return Config(
        data=config.data,
        network=network,
        transformer=transformer,
        diffusion=config.diffusion,
        sampling=config.sampling,
        training=training,
    )
