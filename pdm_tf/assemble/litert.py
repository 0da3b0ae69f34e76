"""A run's network as a .tflite file, which is compared before it is left anywhere."""

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pdm_tf import flags
from pdm_tf.assemble.models import restore, settings_of
from pdm_tf.config import (
    Config,
    EvaluationConfig,
    ExportConfig,
    InputError,
    SamplingConfig,
)
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.evaluation.features import Extractor, open_features
from pdm_tf.evaluation.fidelity import Fidelity, compare
from pdm_tf.evaluation.metrics import FeatureGaussian, gaussian_of
from pdm_tf.evaluation.places import locate
from pdm_tf.evaluation.sides import open_sides
from pdm_tf.export.calibration import follow
from pdm_tf.export.litert import convert
from pdm_tf.export.litert_sampler import DenoiserSampler, callback_denoiser, describe
from pdm_tf.export.quantising import check_installed, quantise
from pdm_tf.export.saved_model import open_samplers
from pdm_tf.litert import LitertNetwork, load_runtime, report_of
from pdm_tf.storage.files import checksum, write_atomically

STEMS = {"none": "float32"}  # of the files; other kinds are called as they are
BATCH = 16  # pictures drawn at once to be compared


def export_litert(
    config: ExportConfig, changes: dict[str, Any]
) -> tuple[Path, Fidelity]:
    """Writes a .tflite file and its report; returns its path and how it compared.

    A file that is refused is not left behind, only its report, NAME.refused.json.

    Args:
      config: run, quantisation, directory, comparison.
      changes: fields of `SamplingConfig` that differ from the run's record.

    Raises:
      InputError: settings that make no sense, a package that is missing, or a file
        that is less faithful than asked.
    """
    _check(config)
    record = settings_of(config.run_dir)
    record = replace(record, sampling=replace(record.sampling, **changes))
    denoiser = restore(config.run_dir)
    drawing = DenoiserSampler(denoiser, record.sampling)
    open_samplers(config.sampler, record.sampling.variance)
    try:
        drawing.check(config.sampler[0], config.check_steps)
    except InputError as error:  # it speaks of the flag of sampling
        text = str(error).replace("--steps=", "--check_steps=")
        raise InputError(text) from error
    extractor = open_features(config.features)
    reference = _reference(config, record, extractor)
    model = describe(denoiser, record.sampling, flags.to_flagfile(record))
    directory = Path(config.export_dir or Path(config.run_dir) / "litert")
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{STEMS.get(config.quantize, config.quantize)}.tflite"
    with tempfile.TemporaryDirectory(prefix=".litert-", dir=directory) as work:
        file = Path(work) / name
        _write(file, denoiser, model, record.sampling, config)
        cheaper = DenoiserSampler(
            callback_denoiser(LitertNetwork(file), model), record.sampling
        )
        first, second = (_draw(each, record, config) for each in (drawing, cheaper))
        found = compare(first, second, reference, extractor)
        reasons = _reasons(found, config)
        report = _report(file, found, reasons, record, config) | {"model": model}
        kept = directory / name
        text = json.dumps(report, indent=1)
        if reasons:
            told = report_of(kept).with_suffix(".refused.json")
            write_atomically(told, text)
            raise InputError(f"{name} is refused: {', '.join(reasons)}; see {told}")
        file.replace(kept)
        write_atomically(report_of(kept), text)
    return kept, found


def _check(config: ExportConfig) -> None:
    """Raises InputError for what is wrong before anything is read."""
    if config.check_images < 2:
        raise InputError(
            f"--check_images={config.check_images}: at least 2 are needed to compare"
        )
    load_runtime()
    if config.quantize != "none":
        check_installed()


def _reference(
    config: ExportConfig, record: Config, extractor: Extractor
) -> FeatureGaussian:
    """What the pictures of --reference, or of the run's data set, are like."""
    place = locate("reference", config.reference or record.data.dataset)
    shape = record.network.image_shape
    (pictures,) = open_sides([place], EvaluationConfig(image_shape=shape))
    return gaussian_of(pictures.batches(EvaluationConfig.batch_size), extractor)


def _write(
    file: Path,
    denoiser: Denoiser,
    model: dict[str, Any],
    sampling: SamplingConfig,
    config: ExportConfig,
) -> None:
    """Writes the file, quantised as asked."""
    convert(denoiser, file)
    if config.quantize == "none":
        return
    examples = []
    if config.quantize == "static_int8":
        steps, sampler = config.calibration_steps, config.sampler[0]
        examples = follow(LitertNetwork(file), model, sampling, sampler, steps)
    file.write_bytes(quantise(file, config.quantize, examples))


def _draw(drawing: DenoiserSampler, record: Config, config: ExportConfig) -> np.ndarray:
    """The pictures that are compared: seeds 0, 1 …, the classes in turn."""
    drawn, count = [], config.check_images
    for first in tqdm(range(0, count, BATCH), "drawing", unit="batch", disable=None):
        seeds = np.arange(first, min(first + BATCH, count), dtype=np.int32)
        labels = seeds % max(1, drawing.num_classes)
        weight, steps = record.sampling.sample_guidance, config.check_steps
        drawn.append(drawing.draw(seeds, labels, steps, weight, config.sampler[0]))
    return np.concatenate(drawn)


def _reasons(found: Fidelity, config: ExportConfig) -> list[str]:
    """Why a file is refused; what is no number is refused as well."""
    reasons = []
    if not found.sqnr >= config.min_sqnr:
        reasons.append(f"{found.sqnr:.1f} dB is below --min_sqnr={config.min_sqnr:g}")
    if not found.change <= config.max_distance_change:
        reasons.append(
            f"its Fréchet distance is {found.change:+.1f} % of the model's, above "
            f"--max_distance_change={config.max_distance_change:g}"
        )
    return reasons


def _report(
    file: Path,
    found: Fidelity,
    reasons: list[str],
    record: Config,
    config: ExportConfig,
) -> dict[str, Any]:
    asked = ("check_images", "check_steps", "features", "min_sqnr")
    return {
        "file": file.name,
        "sha256": checksum(file),
        "bytes": file.stat().st_size,
        "quantize": config.quantize,
        "refused": reasons,
        "fidelity": {**asdict(found), "change": found.change},
        "compared": {
            **{name: getattr(config, name) for name in (*asked, "max_distance_change")},
            "reference": config.reference or record.data.dataset,
            "sampler": config.sampler[0],
            "guidance": record.sampling.sample_guidance,
            "calibration_steps": config.calibration_steps,
        },
    }
