"""A model, however it is named, as a SavedModel."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pdm_tf import flags
from pdm_tf.assemble.models import open_model
from pdm_tf.config import ExportConfig
from pdm_tf.export.saved_model import export_saved_model


def export_run(
    model: str | Path,
    export_dir: str | Path = "",
    samplers: Sequence[str] = ExportConfig.sampler,
    **changes: Any,
) -> Path:
    """Writes the SavedModel of a model; returns its directory.

    Args:
      model: see `open_model`.
      export_dir: where it goes; MODEL/export if not given.
      samplers: names of those that it holds; the first is that of `sample`.
      **changes: fields of `SamplingConfig` that differ from the model's own.

    Raises:
      InputError: no model, nothing saved in it yet, no such sampler.
    """
    directory = Path(export_dir) if export_dir else Path(model) / "export"
    opened = open_model(model)
    config = opened.settings
    config = replace(config, sampling=replace(config.sampling, **changes))
    record = flags.to_flagfile(config)
    export_saved_model(
        opened.denoiser, directory, record, config.sampling, samplers, opened.lineage
    )
    return directory
