"""A model, however it is named, as a SavedModel."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pdm_tf import flags, pretrained
from pdm_tf.assemble.models import open_model
from pdm_tf.config import ExportConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.each_guidance import each_guided
from pdm_tf.errors import SettingError
from pdm_tf.export.saved_model import check_directory, export_saved_model
from pdm_tf.export.versions import choose_version
from pdm_tf.storage.locks import locked_place


def export_run(
    model: str | Path,
    export_dir: str | Path = "",
    samplers: Sequence[str] = ExportConfig.sampler,
    **changes: Any,
) -> Path:
    """Writes the SavedModel of a model, as its only writer; returns its directory.

    Args:
      model: see `open_model`.
      export_dir: where it goes; see `export_directory`.
      samplers: names of those that it holds; the first is that of `sample`.
      **changes: fields of `SamplingConfig` that differ from the model's own.

    Raises:
      InputError: no model, nothing saved in it yet, no such sampler, or another
        command writes there.
    """
    directory = check_directory(export_directory(model, export_dir, "export"))
    with locked_place("export_dir", directory):
        _export(model, directory, samplers, **changes)
    return directory


def export_for_serving(
    model: str | Path,
    serving_dir: str | Path,
    samplers: Sequence[str] = ExportConfig.sampler,
    **changes: Any,
) -> Path:
    """Writes the SavedModel of a model where TensorFlow Serving finds it.

    Args:
      model: see `open_model`.
      serving_dir: of a version or of the model, see `choose_version`.
      samplers: see `export_run`, as `changes`.

    Raises:
      InputError: see `export_run`; or the version is there already.
    """
    found = choose_version("serving_dir", serving_dir)
    try:
        directory = check_directory(found)
    except SettingError as error:
        raise error.named("serving_dir") from None
    with locked_place("serving_dir", directory):
        choose_version("serving_dir", directory)  # nobody was faster
        _export(model, directory, samplers, served=True, **changes)
    return directory


def export_own(run_dir: str | Path) -> None:
    """Writes the SavedModel of a run that is trained here, within its directory.

    It waits for nobody and refuses nobody: a training does not fail for another
    command, and directories are exchanged whole.
    """
    directory = check_directory(export_directory(run_dir, "", "export"))
    _export(run_dir, directory, ExportConfig.sampler)


def check_own(run_dir: str | Path) -> None:
    """Raises SettingError before a training whose export would have no place."""
    try:
        check_directory(export_directory(run_dir, "", "export"))
    except SettingError as error:
        raise error.named("run_dir") from None


def _export(
    model: str | Path,
    directory: Path,
    samplers: Sequence[str],
    served: bool = False,
    **changes: Any,
) -> None:
    opened = open_model(model)
    config = opened.settings
    config = replace(config, sampling=replace(config.sampling, **changes))
    each_guided(opened.denoiser, config.sampling.guidance_each)  # refused now
    record = flags.to_flagfile(config)
    samplers = exported_samplers(samplers, opened.denoiser)
    export_saved_model(
        opened.denoiser,
        directory,
        record,
        config.sampling,
        samplers,
        opened.lineage,
        opened.class_names,
        opened.sealed,
        served,
    )


def exported_samplers(given: Sequence[str], denoiser: Denoiser) -> tuple[str, ...]:
    """Those asked for; where nothing is, the one that a model was made for comes first.

    Args:
      given: names; those of `ExportConfig` where nothing was asked for.
      denoiser: the model.
    """
    own = denoiser.own_sampler
    if own is None or tuple(given) != ExportConfig.sampler:
        return tuple(given)
    return (own.sampler, *(name for name in given if name != own.sampler))


def export_directory(model: str | Path, export_dir: str | Path, name: str) -> Path:
    """Where an export goes: as set, or NAME/ within the model's own directory.

    Raises:
      SettingError: no directory is set, and the model came with the package.
    """
    if export_dir:
        return Path(export_dir)
    if pretrained.is_pretrained(model):
        raise SettingError(
            "export_dir", None, f"is missing: say where the export of {model} goes"
        )
    return Path(model) / name
