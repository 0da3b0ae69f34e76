"""A run in one file that can be passed on, and back."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from pdm_tf.assemble.building import named_variables
from pdm_tf.assemble.class_names import write_class_names
from pdm_tf.assemble.model_card import NAME, SHEET, compose_card
from pdm_tf.assemble.models import OpenedModel, locate, open_model
from pdm_tf.assemble.runs import WEIGHTS, write_settings
from pdm_tf.config.packing import PackConfig, UnpackConfig
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.storage.arrays import write_arrays
from pdm_tf.storage.files import write_text
from pdm_tf.storage.locks import locked_place
from pdm_tf.storage.packs import pack, unpack
from pdm_tf.storage.places import open_place


def pack_model(config: PackConfig) -> Path:
    """Writes the averaged weights of a run, its settings and its card into a zip.

    What only training needs stays behind: checkpoints, curves, pictures but one sheet.

    Raises:
      InputError: no run, or a model that is made of others.
    """
    for name in ("model", "out"):
        if not getattr(config, name):
            raise MissingSetting(name, "give one")
    opened, out = open_model(config.model), Path(config.out).expanduser()
    if opened.lineage or opened.parts:
        raise SettingError(
            "model", config.model, "is made of others; pack the run that they are of"
        )
    with locked_place("out", out), tempfile.TemporaryDirectory() as folder:
        _gather(opened, config, Path(folder), out.stem)
        pack(Path(folder), out)
    return out


def _gather(opened: OpenedModel, config: PackConfig, folder: Path, name: str) -> None:
    """Puts all that a packed model has into a folder."""
    weights = named_variables(opened.denoiser.network)  # type: ignore[attr-defined]
    write_arrays(folder / WEIGHTS, {n: v.numpy() for n, v in weights.items()})
    write_class_names(folder, opened.class_names)
    training = replace(opened.settings.training, run_dir=str(folder))
    write_settings(replace(opened.settings, training=training))
    there = locate(config.model)
    sheets = [*sorted(there.glob("samples/step_*.png")), *there.glob(SHEET)]
    if sheets:
        shutil.copy(sheets[-1], folder / SHEET)
    sheet = SHEET if sheets else ""
    card = compose_card(opened, name, config.licence, config.note, sheet)
    write_text(folder / NAME, card)


def unpack_model(config: UnpackConfig) -> Path:
    """Makes the directory of a packed model, once all of it is known to be sound.

    Raises:
      InputError: no such file, a damaged one, or a directory that is there already.
    """
    if not config.archive:
        raise MissingSetting("archive", "name a file that pdm-tf pack made")
    archive, out = Path(config.archive).expanduser(), open_place("out", config.out)
    if not archive.is_file():
        raise SettingError("archive", config.archive, "no such file")
    with locked_place("out", out):
        if out.exists():
            raise SettingError("out", out, "is there already; name a new directory")
        unpack(archive, out)
    return out
