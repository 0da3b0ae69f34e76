"""A model's network as a .tflite file, which is compared before it is left anywhere."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf import flags
from pdm_tf.assemble.exporting import export_directory
from pdm_tf.assemble.models import open_model
from pdm_tf.config import Config, ExportConfig, SamplingConfig
from pdm_tf.errors import InputError, SettingError
from pdm_tf.evaluation.features import Extractor, open_features
from pdm_tf.evaluation.fidelity import Fidelity, compare
from pdm_tf.evaluation.image_sources import open_pictures
from pdm_tf.evaluation.metrics import FeatureGaussian, gaussian_of
from pdm_tf.export.litert_file import check_packages, describe_litert, write_litert
from pdm_tf.samplers import open_samplers
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.generator import ImageGenerator, generate_many
from pdm_tf.serving.litert_generator import callback_denoiser
from pdm_tf.serving.litert_network import LitertNetwork, report_of
from pdm_tf.storage.files import appearing, checksum, write_json

BATCH = 64  # pictures whose features are computed at once
STEMS = {"none": "float32"}  # of the files; other kinds are called as they are


def export_litert(
    config: ExportConfig, changes: dict[str, Any]
) -> tuple[Path, Fidelity]:
    """Writes a .tflite file and its report; returns its path and how it compared.

    A file that is refused is not left behind, only its report, NAME.refused.json.

    Args:
      config: model, quantisation, directory, comparison.
      changes: fields of `SamplingConfig` that differ from the run's record.

    Raises:
      InputError: settings that make no sense, a package that is missing, or a file
        that is less faithful than the limits.
    """
    check_packages(config)
    file = _path(config)
    model = open_model(config.model)
    settings, sampling = model.settings, replace(model.settings.sampling, **changes)
    settings = replace(settings, sampling=sampling)
    record = flags.to_flagfile(settings)
    description = describe_litert(
        model.denoiser, sampling, record, model.lineage, model.class_names, model.sealed
    )
    original = DenoiserGenerator(model.denoiser, sampling, description)
    _check(config, original, sampling)
    extractor = open_features(config.features)
    reference = _reference(config, settings, extractor)
    with appearing(file) as new:
        write_litert(model.denoiser, new, sampling, config)
        network = callback_denoiser(LitertNetwork(new), description)
        altered = DenoiserGenerator(network, sampling, description)
        first, second = (_generate(g, config) for g in (original, altered))
        found = compare(first, second, reference, extractor)
        report = _report(new, found, settings, config) | {"model": description}
        report["file"] = file.name
        _refuse_unfaithful(file, report)
    write_json(report_of(file), report)
    return file, found


def _check(
    config: ExportConfig, original: ImageGenerator, sampling: SamplingConfig
) -> None:
    """Raises SettingError for a comparison that cannot be made."""
    if config.check_images < 2:
        raise SettingError(
            "check_images", config.check_images, "at least 2 are needed to compare"
        )
    open_samplers(config.sampler, sampling.variance)
    try:
        original.check(config.sampler[0], config.check_steps)
    except SettingError as error:
        raise error.named("check_steps") from error


def _reference(
    config: ExportConfig, settings: Config, extractor: Extractor
) -> FeatureGaussian:
    """What the pictures of `reference`, or of the run's data set, are like."""
    given = config.reference or settings.data.dataset
    pictures = open_pictures("reference", given, settings.network.image_shape)
    return gaussian_of(pictures.batches(BATCH), extractor)


def _path(config: ExportConfig) -> Path:
    directory = export_directory(config.model, config.export_dir, "litert")
    return directory / f"{STEMS.get(config.quantize, config.quantize)}.tflite"


def _generate(generator: ImageGenerator, config: ExportConfig) -> np.ndarray:
    """The pictures that are compared."""
    count, steps = config.check_images, config.check_steps
    return generate_many(generator, count, steps, generator.guidance, config.sampler[0])


def _report(
    file: Path, found: Fidelity, settings: Config, config: ExportConfig
) -> dict[str, Any]:
    limits = ("check_images", "check_steps", "features", "min_sqnr")
    return {
        "file": file.name,
        "sha256": checksum(file),
        "bytes": file.stat().st_size,
        "quantize": config.quantize,
        "refused": found.shortfalls(config.min_sqnr, config.max_distance_change),
        "fidelity": found.to_json(),
        "compared": {
            **{name: getattr(config, name) for name in limits},
            "max_distance_change": config.max_distance_change,
            "reference": config.reference or settings.data.dataset,
            "sampler": config.sampler[0],
            "guidance": settings.sampling.sample_guidance,
            "calibration_steps": config.calibration_steps,
        },
    }


def _refuse_unfaithful(file: Path, report: dict[str, Any]) -> None:
    """Raises InputError for a file that is refused, once its report is written."""
    if report["refused"]:
        kept = report_of(file).with_suffix(".refused.json")
        write_json(kept, report)
        reasons = ", ".join(report["refused"])
        raise InputError(f"{file.name} is refused: {reasons}; see {kept}")
