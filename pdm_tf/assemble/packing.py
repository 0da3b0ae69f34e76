"""A model in one file that can be passed on, with what it is made of, and back."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from pdm_tf.assemble.building import named_variables
from pdm_tf.assemble.class_names import write_class_names
from pdm_tf.assemble.lineage import MANIFEST, base_of, is_derived
from pdm_tf.assemble.lineage import read as read_entry
from pdm_tf.assemble.model_card import NAME, SHEET, compose_card
from pdm_tf.assemble.models import OpenedModel, locate, open_model
from pdm_tf.assemble.runs import WEIGHTS, write_settings
from pdm_tf.assemble.splits import is_split
from pdm_tf.assemble.splits import read as read_parts
from pdm_tf.assemble.splits import write as write_split
from pdm_tf.config.packing import PackConfig, UnpackConfig
from pdm_tf.errors import MissingSetting, SettingError
from pdm_tf.pretrained import is_pretrained
from pdm_tf.storage.arrays import write_arrays
from pdm_tf.storage.files import write_json, write_text
from pdm_tf.storage.locks import locked_place
from pdm_tf.storage.packs import pack, unpack
from pdm_tf.storage.places import open_place

_BASE = "base"  # folder of a derived model's base
_REPORTS = (SHEET, "report.json", "report.md")


def pack_model(config: PackConfig) -> Path:
    """Writes a model's weights, its settings and its card into a zip.

    Of a run the averaged weights; what only training needs stays behind: checkpoints,
    curves, pictures but one sheet. The base of a derived model and the parts of a split
    come along, each in a folder of its own; a base that comes with the package is
    named alone.

    Raises:
      InputError: no model, or a damaged one.
    """
    for name in ("model", "out"):
        if not getattr(config, name):
            raise MissingSetting(name, "give one")
    opened, out = open_model(config.model), Path(config.out).expanduser()
    with locked_place("out", out), tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _gather(opened, folder)
        sheet = SHEET if (folder / SHEET).is_file() else ""
        card = compose_card(opened, out.stem, config.licence, config.note, sheet)
        write_text(folder / NAME, card)
        pack(folder, out)
    return out


def _gather(opened: OpenedModel, folder: Path) -> None:
    """Puts all that a packed model is made of into a folder."""
    folder.mkdir(exist_ok=True)
    there = locate(opened.path)
    if is_derived(there):
        _gather_derived(there, folder)
    elif opened.parts and is_split(there):
        _gather_split(there, folder)
    else:
        _gather_run(opened, there, folder)


def _gather_derived(there: Path, folder: Path) -> None:
    """What a method added, and its base, which model.json then says is beside it."""
    entry = read_entry(there)
    base = base_of(there, entry)
    for name in filter(None, (entry["weights"], *_REPORTS)):
        if (there / name).is_file():
            shutil.copy(there / name, folder / name)
    if not is_pretrained(base):
        _gather(open_model(base), folder / _BASE)
        entry = {**entry, "base": {**entry["base"], "path": _BASE}}
    write_json(folder / MANIFEST, entry)


def _gather_split(there: Path, folder: Path) -> None:
    placed = []
    for number, part in enumerate(read_parts(there)):
        opened = open_model(part.run_dir)
        place = folder / f"part_{number}"
        _gather(opened, place)
        placed.append(part._replace(run_dir=str(place), digest=opened.digest))
    write_split(folder, placed)


def _gather_run(opened: OpenedModel, there: Path, folder: Path) -> None:
    weights = named_variables(opened.denoiser.network)  # type: ignore[attr-defined]
    write_arrays(folder / WEIGHTS, {n: v.numpy() for n, v in weights.items()})
    write_class_names(folder, opened.class_names)
    training = replace(opened.settings.training, run_dir=str(folder))
    write_settings(replace(opened.settings, training=training))
    sheets = [*sorted(there.glob("samples/step_*.png")), *there.glob(SHEET)]
    if sheets:
        shutil.copy(sheets[-1], folder / SHEET)


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
