"""The command lines of sample.py and of `python -m pdm_tf.ROOM`."""

from dataclasses import dataclass
from typing import Literal

from pdm_tf.config.options import option


@dataclass(frozen=True)
class SampleConfig:
    """The command line of `sample.py`."""

    model: str = option(
        "",
        "Model to sample from: the directory of a run, of a split, of a derived model "
        "or of a SavedModel, or a .tflite file.",
        aliases=("savedmodel", "litert", "run_dir"),
    )
    out_dir: str = option("samples", "Where pictures, grid, npz and manifest go.")
    num_images: int = option(64, "Number of pictures.")
    seed: int = option(0, "Seed of the first picture; picture k has seed + k.")
    labels: tuple[int, ...] = option(
        (), "Classes, repeated in this order; empty: all classes in turn."
    )
    guidance: float = option(1.5, "Guidance weight w; 1 is none.")
    sampler: str = option(
        "dpm_solver_sde",
        "Sampler; of a SavedModel, one of those that it was exported with. "
        "docs/samplers.md compares them.",
    )
    steps: str = option(
        "20",
        "Steps of the sampler, each a call of the network (heun: two): a number, ADM's "
        "sections such as 90,60,60,20,20 (least noisy first), or ddimN.",
    )
    batch_size: int = option(64, "Pictures computed at once; changes no picture.")


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
        0,
        "Pictures taken of --samples (of --reference for --likelihood); 0: all, or "
        "10,000 of a SavedModel.",
    )
    batch_size: int = option(64, "Pictures computed at once; changes no figure.")
    sampler: str = option(
        "", "Sampler for a SavedModel, as sample.py's; empty: its first, mostly ddpm."
    )
    steps: str = option("250", "Steps of the sampler for a SavedModel, as sample.py's.")
    guidance: float = option(1.5, "Guidance weight w, for a SavedModel; 1 is none.")
    label_policy: Literal["balanced", "uniform"] = option(
        "balanced",
        "Labels for a SavedModel: all classes in turn, or drawn at random.",
    )
    seed: int = option(0, "Seed of the first picture drawn, and of the bootstrap.")
    bootstrap: int = option(
        100,
        "Resamplings behind each 95 % interval; 0 leaves the intervals out. With "
        "--features=inception each takes several seconds.",
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
    likelihood: bool = option(
        False,
        "Judge the model of --run_dir by its variational bound on --reference, in bits "
        "per dimension; a source's held-out part unless @train is added.",
    )
    run_dir: str = option(
        "", "Directory of the run or split whose likelihood is measured."
    )
    terms: int = option(
        0,
        "Terms of the bound evaluated for each picture, each one call of the network, "
        "as an unbiased estimate (50 serve well); 0: all T of them.",
    )
    clip: bool = option(
        True, "Clip estimates to [-1, 1] for --likelihood, as ADM does."
    )
    tell_labels: bool = option(
        True, "Tell the model the pictures' classes for --likelihood, if it knows any."
    )


@dataclass(frozen=True)
class SplitConfig:
    """The command line of `pdm-tf split`."""

    parts: str = option(
        "",
        "Run directories of the parts, separated by commas; each run knows its own "
        "range of SNR.",
    )
    out: str = option("", "Directory of the split; use it like a run's.")
