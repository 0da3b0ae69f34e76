"""The command lines of `python -m pdm_tf.evaluation METHOD`."""

from dataclasses import dataclass
from typing import Literal

from pdm_tf.config.options import option
from pdm_tf.config.sampling import BEST, COMPARED, GRIDS, METRICS
from pdm_tf.config.trust import trusting

FeatureName = str  # auto, digits, inception, random, keras:FILE, dinov2:FILE, clip:FILE
QUICK_IMAGES, PAPER_IMAGES = 1_000, 50_000  # sampled from a model, by protocol


@dataclass(frozen=True)
class EvaluationConfig:
    """Metrics of pictures: Fréchet distance, precision, recall, seams and others."""

    samples: str = option(
        "",
        "Pictures to measure: an npz (arr_0, uint8 NHWC), a folder, a source such as "
        "mnist, photos or folder:PATH (mnist@test is its held-out part), an npz of "
        "statistics, or a model, from which pictures are sampled: the directory of a "
        "run, a split, a derived model or a SavedModel, a .tflite file, or "
        "pretrained:NAME.",
    )
    reference: str = option(
        "",
        "Pictures to compare with, given as for --samples; empty: only what needs no "
        "comparison.",
    )
    trust_model: bool = trusting()
    protocol: Literal["quick", "paper"] = option(
        "quick",
        f"How a model is sampled where the flags below leave it open. quick: "
        f"{QUICK_IMAGES:,} pictures by {BEST.steps} steps of {BEST.sampler}, in "
        f"minutes. paper: {PAPER_IMAGES:,} by {METRICS.steps} of {METRICS.sampler}, as "
        "published metrics are of, in hours or days.",
    )
    features: FeatureName = option(
        "auto",
        "Space in which pictures are compared: digits (a classifier in the package, "
        "for mnist), inception (as published metrics; needs --inception_graph) or "
        "random (fixed random convolutions, any pictures), or keras:FILE, any saved "
        "Keras model of pictures in 0 … 255, or dinov2:FILE or clip:FILE, the "
        "model.safetensors of Hugging Face or its folder. auto: what made the "
        "statistics, if any are given; else digits for grey pictures of 32x32 or "
        "28x28, random for others.",
    )
    inception_graph: str = option(
        "classify_image_graph_def.pb",
        "File of the Inception network that ADM's evaluator uses.",
    )
    resize: Literal["own", "clean", "cropped"] = option(
        "own",
        "How pictures get the size of the Inception network: own, its bilinear resize, "
        "as ADM's evaluator; clean, bicubic with antialiasing, as clean-fid. Keras "
        "files, DINOv2 and CLIP always get theirs so; cropped: for DINOv2, of pictures "
        "enlarged to 256 pixels the middle 224, as its processor at Hugging Face.",
    )
    inception_sha256: str = option(
        "", "SHA-256 that --inception_graph must have; empty: the published file."
    )
    image_shape: tuple[int, ...] = option(
        (), "Height, width, channels to read folders and sources at; empty: as found."
    )
    num_images: int = option(
        0, "Pictures taken of --samples; 0: all, or of a model as --protocol says."
    )
    batch_size: int = option(64, "Pictures computed at once; changes no metric.")
    sampler: str = option(
        "", "Sampler of a model, as sample.py's; empty: as --protocol says."
    )
    steps: str = option(
        "",
        "Steps of the sampler, as sample.py's; empty: as --protocol says, "
        f"{GRIDS.steps} for another sampler than that of quick.",
    )
    guidance: float | None = option(
        None,
        "Guidance weight w; 1 is none. Left out: the model's own, mostly 1.5.",
        low=-100,
        high=100,
    )
    label_policy: Literal["balanced", "uniform"] = option(
        "balanced", "Labels of a model's pictures: all classes in turn, or at random."
    )
    seed: int = option(0, "Seed of the first picture sampled, and of the bootstrap.")
    bootstrap: int = option(
        100,
        "Resamplings behind each 95 % interval; 0 leaves the intervals out. With "
        "--features=inception each takes several seconds.",
    )
    manifold_images: int = option(
        50_000,
        "Pictures of each set, at most, for precision and recall, whose features are "
        "kept in memory.",
    )
    half_distances: bool = option(
        False,
        "Distances of precision and recall in half precision, in blocks of 10,000, "
        "like ADM's evaluator, though not to the bit: it sums in half precision in an "
        "order that the device chooses; here sums are single.",
    )
    patch_sizes: tuple[int, ...] = option(
        (2, 4, 8), "Patch sides P [pixels] whose seams are measured; empty: none."
    )
    save_statistics: str = option(
        "", "npz file for the statistics of --samples, to be a --reference later."
    )
    out: str = option("evaluation.json", "File of the report, as JSON.")


@dataclass(frozen=True)
class LikelihoodConfig:
    """The variational bound on the likelihood of pictures, in bits per dimension."""

    model: str = option(
        "",
        "Model whose likelihood is measured: the directory of a run, a split or a "
        "derived model, or pretrained:NAME.",
        aliases=("run_dir",),
    )
    reference: str = option(
        "",
        "Pictures whose likelihood it is: an npz, a folder or a source; of a source "
        "the held-out part unless @train is added.",
    )
    image_shape: tuple[int, ...] = option(
        (), "Height, width, channels; empty, or those of the model."
    )
    num_images: int = option(
        0, "Pictures taken of --reference, of a source at random; 0: all."
    )
    batch_size: int = option(64, "Pictures computed at once; changes no bit.")
    seed: int = option(0, "Seed of the noise of the first picture, and of the choice.")
    terms: int = option(
        50,
        "Terms of the bound evaluated for each picture, each one call of the network, "
        "as an unbiased estimate in minutes; 0: all T of them, as published figures "
        "are of.",
    )
    clip: bool = option(True, "Clip estimates to [-1, 1], as ADM does.")
    use_labels: bool = option(
        True,
        "Condition the model on the pictures' classes, if it has any.",
        aliases=("tell_labels",),
    )
    out: str = option(
        "evaluation.json", "File of the report, as JSON; the curve lies beside it."
    )


@dataclass(frozen=True)
class CompareConfig:
    """A model beside the one it was made from: same seeds, distances, cost."""

    model: str = option(
        "",
        "The altered model: the directory of a run, a split, a derived model or a "
        "SavedModel, a .tflite file, or pretrained:NAME.",
    )
    reference: str = option("", "The unaltered model, given as --model.")
    trust_model: bool = trusting()
    data: str = option(
        "",
        "Pictures that both are compared with, given as --samples of metrics; empty: "
        "what the reference was trained on, where that is known.",
    )
    features: FeatureName = option(
        "auto",
        "Space of the Fréchet distance, see metrics; auto: digits for grey pictures "
        "of 32x32 or 28x28, random for others.",
    )
    inception_graph: str = option(
        "classify_image_graph_def.pb", "File of the Inception network, see metrics."
    )
    num_images: int = option(1000, "Pictures of each model.")
    batch_size: int = option(50, "Pictures computed at once.")
    sampler: str = option(
        "",
        "Sampler of both models; empty: the one that each was made for, "
        f"{COMPARED.sampler} for most.",
    )
    steps: str = option(
        "",
        "Steps of the sampler, as sample.py's; empty: as many as each was made for, "
        f"{COMPARED.steps} for most.",
    )
    reference_sampler: str = option(
        "", "Sampler of the reference, where it is another."
    )
    reference_steps: str = option("", "Steps of the reference, where they are others.")
    guidance: float | None = option(
        None,
        "Guidance weight w of both models; 1 is none. Left out: each model's own, "
        "mostly 1.5, and 1 where guidance is distilled into it.",
        low=-100,
        high=100,
    )
    seed: int = option(0, "Seed of the first picture; the same for both models.")
    out: str = option("comparison.json", "File of the report, as JSON.")


@dataclass(frozen=True)
class MemorisationConfig:
    """Whether samples are copies: their nearest training pictures, on a sheet."""

    samples: str = option(
        "", "Pictures, or a model that gives some, as --samples of metrics."
    )
    reference: str = option("", "Pictures that it was trained on, such as mnist.")
    trust_model: bool = trusting()
    features: FeatureName = option(
        "auto", "Space of distances: pixels, or features as of metrics."
    )
    num_images: int = option(0, "Pictures taken of --samples, as of metrics.")
    out: str = option(
        "memorisation.json", "File of the report, as JSON; the sheet lies beside it."
    )


@dataclass(frozen=True)
class AuditConfig:
    """The rare pictures of a data set: a score for each, and a sheet."""

    model: str = option(
        "",
        "Model that judges: the directory of a run, a split or a derived model, or "
        "pretrained:NAME.",
        aliases=("run_dir",),
    )
    reference: str = option(
        "",
        "Pictures to judge, such as mnist or folder:PATH: best those that the model "
        "was trained on.",
    )
    num_images: int = option(0, "Pictures taken of --reference, the first; 0: all.")
    snr: float = option(
        0.3,
        "Signal-to-noise ratio of the level that pictures are noised to.",
        low=1e-6,
        high=1e6,
    )
    draws: int = option(5, "Noises for each picture, the same ones for all.")
    seed: int = option(0, "Seed of the first noise.")
    within_classes: bool = option(
        False, "Judge each picture among those of its class, if the model has classes."
    )
    features: FeatureName = option(
        "auto",
        "Space in which the distance to the nearest other pictures is taken, as of "
        "metrics; none leaves it out.",
    )
    out: str = option(
        "audit.json",
        "File of the report, as JSON; the table (CSV) and the sheet (PNG) lie beside "
        "it.",
    )


@dataclass(frozen=True)
class TrainDigitsConfig:
    """Trains the classifier behind --features=digits again (about five minutes)."""

    out: str = option("digits.npz", "File of the weights.")
