"""A model's network for another runtime, compared before it is left anywhere."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdm_tf import flags
from pdm_tf.assemble.exporting import export_directory, exported_samplers
from pdm_tf.assemble.lineage import is_derived
from pdm_tf.assemble.lineage import read as read_entry
from pdm_tf.assemble.models import open_model
from pdm_tf.config import Config, ExportConfig, SamplingConfig
from pdm_tf.denoisers.callback import Evaluate
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.errors import InputError, SettingError
from pdm_tf.evaluation.features import Extractor, open_features
from pdm_tf.evaluation.fidelity import Fidelity, compare
from pdm_tf.evaluation.image_sources import open_pictures
from pdm_tf.evaluation.metrics import FeatureGaussian, gaussian_of
from pdm_tf.export.float32 import in_float32
from pdm_tf.export.litert_file import check_packages, describe_network, write_litert
from pdm_tf.export.openvino import check_openvino, write_openvino
from pdm_tf.quantization.mixdq import float_layers
from pdm_tf.samplers import open_samplers
from pdm_tf.serving import litert_network, openvino_network
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.generator import ImageGenerator, generate_many
from pdm_tf.serving.litert_generator import callback_denoiser
from pdm_tf.storage.digests import sealed
from pdm_tf.storage.directories import appearing_directory
from pdm_tf.storage.files import (
    appearing,
    checksum,
    write_json,
)
from pdm_tf.storage.locks import locked_place
from pdm_tf.storage.places import open_place
from pdm_tf.storage.reading import read_json

BATCH = 64  # pictures whose features are computed at once
STEMS = {"none": "float32"}  # of .tflite files; other kinds are called as they are


class Runtime(NamedTuple):
    """What differs between the runtimes that a network is written for."""

    check: Callable[[ExportConfig], None]  # raises before anything is computed
    place: Callable[[ExportConfig], Path]
    appearing: Callable[[Path], AbstractContextManager[Path]]
    write: Callable[[Denoiser, Path, SamplingConfig, ExportConfig], None]
    open: Callable[[Path, ExportConfig], Evaluate]
    report_of: Callable[[Path], Path]
    kind: Callable[[Path, ExportConfig], dict[str, Any]]  # what its report says of it
    is_folder: bool = False


def _litert_kind(file: Path, config: ExportConfig) -> dict[str, Any]:
    return {
        "sha256": checksum(file),
        "bytes": file.stat().st_size,
        "quantize": config.quantize,
    }


def _openvino_kind(folder: Path, config: ExportConfig) -> dict[str, Any]:
    network = openvino_network.OpenvinoNetwork(folder, config.precision)
    return {
        "sha256": openvino_network.checksums(folder),
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "weights_bytes": (folder / openvino_network.WEIGHTS).stat().st_size,
        "precision": config.precision,
        "computed_in": network.precision,  # what is no int8, on this processor
    }


def _litert_place(config: ExportConfig) -> Path:
    directory = export_directory(config.model, config.export_dir, "litert")
    return directory / f"{STEMS.get(config.quantize, config.quantize)}.tflite"


def _openvino_place(config: ExportConfig) -> Path:
    name = f"openvino/{config.precision}"
    return export_directory(config.model, config.export_dir, name)


RUNTIMES = {
    "litert": Runtime(
        check_packages,
        _litert_place,
        appearing,
        write_litert,
        lambda file, _: litert_network.LitertNetwork(file),
        litert_network.report_of,
        _litert_kind,
    ),
    "openvino": Runtime(
        check_openvino,
        _openvino_place,
        appearing_directory,
        write_openvino,
        lambda folder, config: openvino_network.OpenvinoNetwork(
            folder, config.precision
        ),
        openvino_network.report_of,
        _openvino_kind,
        is_folder=True,
    ),
}


def export_network(
    config: ExportConfig, changes: dict[str, Any]
) -> tuple[Path, Fidelity]:
    """Writes a network for a runtime, and a report; returns place and comparison.

    What is refused is not left behind, only its report, NAME.refused.json.

    Args:
      config: model, runtime, precision, place, comparison.
      changes: fields of `SamplingConfig` that differ from the run's record.

    Raises:
      InputError: settings that make no sense, a package that is missing, or a network
        that is less faithful than the limits.
    """
    runtime = RUNTIMES[config.format]
    place = runtime.place(config)
    open_place("export_dir", place if runtime.is_folder else place.parent)
    runtime.check(config)
    config = replace(config, float_layers=_float_layers(config))
    _refuse_others(place, runtime)
    with locked_place("export_dir", place):
        return place, _export(config, changes, runtime, place)


def _export(
    config: ExportConfig, changes: dict[str, Any], runtime: Runtime, place: Path
) -> Fidelity:
    model = open_model(config.model)
    if model.denoiser.conditions is not None:
        raise SettingError(
            "format", config.format, "takes one class; of several conditions savedmodel"
        )
    if model.denoiser.guidance_range is not None:
        remedy = "its network takes no w; of a model that does savedmodel"
        raise SettingError("format", config.format, remedy)
    config = replace(config, sampler=exported_samplers(config.sampler, model.denoiser))
    settings, sampling = model.settings, replace(model.settings.sampling, **changes)
    settings = replace(settings, sampling=sampling)
    record = flags.to_flagfile(settings)
    description = describe_network(
        model.denoiser, sampling, record, model.lineage, model.class_names, model.sealed
    )
    denoiser = in_float32(model.denoiser)
    original = DenoiserGenerator(denoiser, sampling, description)
    _check(config, original, sampling)
    extractor = open_features(config.features)
    reference = _reference(config, settings, extractor)
    with runtime.appearing(place) as new:
        runtime.write(denoiser, new, sampling, config)
        network = callback_denoiser(runtime.open(new, config), description)
        altered = DenoiserGenerator(network, sampling, description)
        first, second = (_generate(g, config) for g in (original, altered))
        found = compare(first, second, reference, extractor)
        report = {"file": place.name, **runtime.kind(new, config)}
        report |= _comparison(found, settings, config) | {"model": description}
        _refuse_unfaithful(place, report)
        if runtime.is_folder:
            write_json(runtime.report_of(new), sealed(report))
        else:  # which tells of both files, as one of them is there at any moment
            report |= {"replaces": _older(runtime.report_of(place))}
            write_json(runtime.report_of(place), sealed(report))
    return found


def _float_layers(config: ExportConfig) -> tuple[str, ...]:
    """Patterns of layers that stay float32: those given, or those that a model found.

    Raises:
      SettingError: a model that says nothing of it.
    """
    given = config.float_layers
    if len(given) != 1 or not is_derived(Path(given[0]).expanduser()):
        return given
    entry = read_entry(Path(given[0]).expanduser())
    if entry["method"] != "mixdq":
        remedy = f"was made by {entry['method']}; name a model of mixdq, or patterns"
        raise SettingError("float_layers", given[0], remedy)
    return float_layers(entry.get("facts", {}))


def export_litert(
    config: ExportConfig, changes: dict[str, Any]
) -> tuple[Path, Fidelity]:
    """`export_network` to a .tflite file, its name of before."""
    return export_network(replace(config, format="litert"), changes)


def _refuse_others(place: Path, runtime: Runtime) -> None:
    """Raises SettingError where a file or folder is there without a report of ours."""
    report = runtime.report_of(place)
    if runtime.is_folder:
        there = place.exists() and any(place.iterdir())
    else:
        there = place.exists() or report.exists()
    if not there:
        return
    with contextlib.suppress(OSError, ValueError):
        said = read_json(report)
        if isinstance(said, dict) and {"sha256", "fidelity", "model"} <= said.keys():
            return
    raise SettingError(
        "export_dir",
        place if runtime.is_folder else place.parent,
        f"{place.name} in it is not of this command; choose a new or empty directory",
    )


def _older(report: Path) -> dict[str, Any] | None:
    """The report that is there already, without what it replaced itself."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return {k: v for k, v in read_json(report).items() if k != "replaces"}
    return None


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


def _generate(generator: ImageGenerator, config: ExportConfig) -> np.ndarray:
    """The pictures that are compared."""
    count, steps = config.check_images, config.check_steps
    return generate_many(generator, count, steps, generator.guidance, config.sampler[0])


def _comparison(
    found: Fidelity, settings: Config, config: ExportConfig
) -> dict[str, Any]:
    limits = ("check_images", "check_steps", "features", "min_sqnr")
    return {
        "refused": found.shortfalls(config.min_sqnr, config.max_distance_change),
        "fidelity": found.to_json(),
        "compared": {
            **{name: getattr(config, name) for name in limits},
            "max_distance_change": config.max_distance_change,
            "reference": config.reference or settings.data.dataset,
            "sampler": config.sampler[0],
            "guidance": settings.sampling.sample_guidance,
            "calibration_images": config.calibration_images,
            "calibration_steps": config.calibration_steps,
        },
    }


def _refuse_unfaithful(place: Path, report: dict[str, Any]) -> None:
    """Raises InputError for what is refused, once its report is written."""
    if report["refused"]:
        name = place.name.removesuffix(".tflite")
        kept = place.with_name(f"{name}.refused.json")
        write_json(kept, report)
        reasons = ", ".join(report["refused"])
        raise InputError(f"{place.name} is refused: {reasons}; see {kept}")
