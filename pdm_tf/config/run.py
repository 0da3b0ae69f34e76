"""The settings of a run, room by room; its record config.flags holds them all."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pdm_tf.config.augmenting import AugmentingConfig
from pdm_tf.config.averaging import AveragingConfig
from pdm_tf.config.conditioning import ConditioningConfig
from pdm_tf.config.diffusion import DiffusionConfig
from pdm_tf.config.fitting import fitted
from pdm_tf.config.guiding import GuidingConfig
from pdm_tf.config.learning import LearningConfig
from pdm_tf.config.monitoring import MonitoringConfig
from pdm_tf.config.options import (
    Architecture,
    Precision,
    Thresholding,
    Variance,
    option,
)
from pdm_tf.config.sampling import GRIDS, GUIDANCE
from pdm_tf.config.transformer import TransformerConfig

Strategy = Literal["default", "mirrored", "multi_worker", "tpu"]


@dataclass(frozen=True)
class DataConfig:
    """Where pictures come from."""

    dataset: str = option(
        "mnist",
        "Source of pictures: mnist (5,000 digits that come along; mnist:without=4 is "
        "all but the fours; of mnist:7=0.02 sevens are but 2 %), photos (crops of "
        "the photographs inside scikit-image and scikit-learn), emoji or "
        "emoji:FONT.ttf (those of a font), folder:PATH (any "
        "folder of jpg, png, webp, searched recursively) or tfds:NAME[:SPLIT] (a "
        "prepared data set of TensorFlow Datasets, or tfds:PATH of one that python -m "
        "pdm_tf.data made).",
    )
    data_dir: str = option(
        "",
        "Where the data sets lie that tfds:NAME names; empty: ~/tensorflow_datasets.",
    )
    download: bool = option(
        False, "Let TensorFlow Datasets fetch tfds:NAME where it is missing."
    )
    horizontal_flip: bool = option(
        False, "Mirror half of the pictures, chosen at random, left to right."
    )


@dataclass(frozen=True)
class UNetConfig(ConditioningConfig):
    """The network; without others the patched U-Net (Appendix C, Tables 3 and 4)."""

    image_shape: tuple[int, ...] = option(
        (32, 32, 1), "Height, width [pixels] and channels of a picture.", sealed="run"
    )
    patch_size: int = option(2, "Side P of the square patches [pixels].", sealed="run")
    width: int = option(64, "Channels of the first level.", sealed="run")
    channel_multipliers: tuple[float, ...] = option(
        (1.0, 2.0),
        "Channels of each level as a multiple of the width.",
        low=0,
        sealed="run",
    )
    blocks_per_level: tuple[int, ...] | int = option(
        (1,),
        "Residual blocks on the way down: one number for all levels or a list.",
        sealed="run",
    )
    attention_resolutions: tuple[int, ...] = option(
        (16, 8), "Grid heights [patches] at which attention is used.", sealed="run"
    )
    attention_levels: tuple[int, ...] = option(
        (),
        "Levels with attention, 0 the finest, instead of "
        "--attention_resolutions; empty: by the height of their grid.",
        sealed="run",
    )
    num_classes: int = option(
        0, "Number of classes; 0 for an unconditional model.", sealed="run"
    )
    class_gate: bool = option(
        True,
        "Labels gate each residual branch (ImageNet in the paper) rather than being "
        "added to the time embedding.",
        sealed="run",
    )
    augment: float = option(
        0.0,
        "Chance of each of EDM's random transforms of a picture (0.12 there); the "
        "network is conditioned on them, so that samples show none: for small data "
        "sets; 0: none.",
        low=0,
        high=1,
        sealed="run",
    )
    precision: Precision = option(
        "float32",
        "Arithmetic of the network; patches and output stay in float32.",
        sealed="model",
    )
    architecture: Architecture = option(
        "unet",
        "The network: unet, the paper's, or jit, a transformer on patches.",
        sealed="run",
    )


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained, recorded and saved.

    A field that is not given may follow from `iterations`, see `fitting`.
    """

    run_dir: str = option(
        "runs/default",
        "Directory of the run; the same command again resumes it.",
    )
    iterations: int = option(10_000, "Optimiser steps of the whole training.")
    batch_size: int = option(32, "Pictures per step, over all devices together.")
    learning_rate: float = option(
        None,
        "Step size of Adam after the warm-up; not given: 1e-3 up to 20,000 iterations, "
        "falling to 1e-4 at 200,000.",
        low=0,
    )
    beta_1: float = option(0.9, "Adam's decay of the mean of gradients.", low=0, high=1)
    beta_2: float = option(
        0.99, "Adam's decay of the mean of squared gradients.", low=0, high=1
    )
    warmup: int = option(
        None,
        "Steps over which the learning rate rises from 0; not given: a fiftieth of the "
        "iterations, at most 5000.",
    )
    clip_norm: float = option(
        0.0, "Largest global norm of the gradients; 0 leaves them alone.", low=0
    )
    label_dropout: float = option(
        0.1, "Share of labels replaced by the null label, for guidance.", low=0, high=1
    )
    ema_decay: float = option(
        0.99, "Decay of the averaged weights at each update.", low=0, high=1
    )
    ema_every: int = option(
        None,
        "Steps between two updates of the averaged weights; not given: a 3000th of the "
        "iterations, at most 100.",
    )
    ema_warmup: bool = option(
        True, "Average over a shorter time early on, so that early samples show much."
    )
    seed: int = option(0, "Seed of weights, data order and noise.", sealed="run")
    steps_per_call: int = option(10, "Steps run inside one call of the graph.")
    log_every: int = option(50, "Steps between two records in TensorBoard.")
    sample_every: int = option(
        None,
        "Steps between two grids of samples, of which the last step always has one; "
        "0: none; not given: a twentieth of the iterations, from 100 to 5000.",
    )
    save_every: int = option(
        None, "Steps between two checkpoints; not given: as often as grids by default."
    )
    keep: int = option(3, "Checkpoints kept.")
    export: bool = option(True, "Write a SavedModel at the end of the training.")
    snr_low: float = option(
        0.0,
        "Train on signal-to-noise ratios from here up: a part of a split.",
        low=0,
        sealed="run",
    )
    snr_high: float = option(
        0.0,
        "Train on signal-to-noise ratios up to here; 0: no upper end.",
        low=0,
        sealed="run",
    )
    init_from: str = option(
        "",
        "Directory of a run, or pretrained:NAME, whose averaged weights a new run "
        "starts from.",
    )
    dry_run: bool = option(
        False, "Build everything, say what would be trained, and stop."
    )
    strategy: Strategy = option(
        "default",
        "Where to train: default (one device), mirrored (several devices of this "
        "machine), multi_worker (several machines, listed in TF_CONFIG) "
        "or tpu. The result does not depend on it, to rounding.",
    )
    devices: str = option(
        "",
        "Devices for mirrored, as GPU:0,GPU:1 or CPU:0,CPU:1; empty: all GPUs.",
    )
    tpu: str = option("local", "Name of the TPU, or local on a machine that has it.")
    microbatch: int = option(
        0,
        "Pictures that a device takes at a time, adding up gradients, where a batch "
        "needs too much memory; 0: all of its share.",
    )
    remat: bool = option(
        False,
        "Compute each block a second time on the way back rather than keep it: "
        "less memory, about a third more time.",
    )
    skip_nonfinite: bool = option(
        False, "Leave out steps whose gradients are not finite, on all devices at once."
    )
    watch_steps: int = option(
        20,
        "Stop when for so many steps in a row the loss was not finite, or far above "
        "what it was before; 0: never.",
    )

    def __post_init__(self) -> None:
        for name, value in fitted(self.iterations).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for name in ("run_dir", "init_from"):
            path = getattr(self, name)
            if path.startswith("~"):
                with contextlib.suppress(RuntimeError):  # nobody has that name
                    object.__setattr__(self, name, str(Path(path).expanduser()))


@dataclass(frozen=True)
class SamplingConfig(GuidingConfig):
    """The grids of samples drawn during training, and an export's defaults."""

    sample_images: int = option(64, "Pictures in a grid of samples.")
    sample_sampler: str = option(GRIDS.sampler, "Sampler for a grid of samples.")
    sample_steps: int = option(
        GRIDS.steps, "Steps of the sampler for a grid of samples."
    )
    sample_guidance: float = option(
        GUIDANCE, "Guidance weight w of sample grids; 1 is none.", low=-100, high=100
    )
    thresholding: Thresholding = option(
        "dynamic",
        "How the x0 estimate is kept within [-1, 1]: dynamic rescales at a percentile, "
        "under guidance only; static clips; none. Dynamic suits photographs; it greys "
        "the background of pictures that are mostly black or white.",
        sealed="run",
    )
    percentile: float = option(
        99.5,
        "Percentile of |x| at which dynamic thresholding sets in.",
        low=0,
        high=100,
        sealed="run",
    )
    guidance_interval: tuple[float, ...] = option(
        (),
        "Guide only where the SNR is in this range, low,high; empty: everywhere.",
        low=0,
        sealed="run",
    )
    velocity_floor: float = option(
        0.0,
        "Least 1 - t that a velocity is divided by, t being 1 at the picture; the "
        "authors of JiT sample with 0.05, which leaves a little noise; 0: none.",
        low=0,
        high=0.99,
        sealed="run",
    )
    variance: Variance = option(
        "learned",
        "Variance of DDPM's steps: learned, large (beta), small (beta-tilde).",
        sealed="run",
    )


@dataclass(frozen=True)
class Config:
    """Everything a run needs, room by room."""

    data: DataConfig = DataConfig()
    augmenting: AugmentingConfig = AugmentingConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    network: UNetConfig = UNetConfig()
    transformer: TransformerConfig = TransformerConfig()
    training: TrainingConfig = TrainingConfig()
    learning: LearningConfig = LearningConfig()
    averaging: AveragingConfig = AveragingConfig()
    monitoring: MonitoringConfig = MonitoringConfig()
    sampling: SamplingConfig = SamplingConfig()
