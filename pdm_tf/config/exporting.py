"""The command line of `python -m pdm_tf.export`."""

from dataclasses import dataclass
from typing import Literal

from pdm_tf.config.options import option

Quantisation = Literal["none", "dynamic_int8", "static_int8"]


@dataclass(frozen=True)
class ExportConfig:
    """The command line of `python -m pdm_tf.export`."""

    run_dir: str = option("", "Directory of the run or split to export.")
    format: Literal["savedmodel", "litert"] = option(
        "savedmodel",
        "savedmodel: the whole sampler, for TensorFlow; litert: the network alone, a "
        ".tflite file for LiteRT, compared with the model before it is left there.",
    )
    export_dir: str = option(
        "",
        "Where the SavedModel or the file goes; empty: RUN_DIR/export or "
        "RUN_DIR/litert.",
    )
    sampler: tuple[str, ...] = option(
        ("ddpm", "ddim", "dpm_solver", "dpm_solver_sde"),
        "Samplers that a SavedModel holds, by name; the first is that of the signature "
        "sample. A litert file suits all; the first calibrates and compares.",
    )
    variance: Literal["run", "learned", "large", "small"] = option(
        "run", "Variance of DDPM's steps; run: as the run's record says."
    )
    thresholding: Literal["run", "dynamic", "static", "none"] = option(
        "run", "How an estimate is kept within [-1, 1]; run: as the run's record says."
    )
    quantize: Quantisation = option(
        "none",
        "For litert: none keeps float32; dynamic_int8 makes convolutions and "
        "projections 8-bit and measures their inputs as they come; static_int8 fixes "
        "the inputs' ranges beforehand. The network's first and last layers, what "
        "its finest blocks add up, and its variance head stay float32.",
    )
    calibration_steps: int = option(
        250,
        "For static_int8: timesteps, evenly spread over all, at which pictures on "
        "their way tell the ranges; each takes some calls of the network.",
    )
    check_images: int = option(
        64,
        "For litert: pictures drawn by the file and by the model, of the same seeds, "
        "to be compared; at least 2, and thousands for distances that mean something.",
    )
    check_steps: str = option("50", "Steps of the sampler for these, as sample.py's.")
    reference: str = option(
        "",
        "Pictures from which both keep a distance, given as for "
        "python -m pdm_tf.evaluation; empty: what the run was trained on.",
    )
    features: Literal["digits", "random"] = option(
        "random",
        "Space of the Fréchet distances: digits (for mnist) or random (any pictures).",
    )
    min_sqnr: float = option(
        20.0,
        "The file is refused if the power of the model's pictures over that of the "
        "difference is below this [dB].",
    )
    max_distance_change: float = option(
        5.0,
        "The file is refused if its pictures are farther from the reference than the "
        "model's by more than this [% of the Fréchet distance].",
    )
