"""MODEL_CARD.md: what somebody must know who is given a model."""

import contextlib
import json
from pathlib import Path

from pdm_tf.assemble.measuring import best_of, read_rows
from pdm_tf.assemble.models import OpenedModel
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.storage.files import write_text
from pdm_tf.version import __version__

NAME, SHEET = "MODEL_CARD.md", "samples.png"
_REPORTED = {  # of report.json
    "Fréchet distance": "frechet",
    "Read as their label": "accuracy",
    "Seconds a picture": "seconds_per_picture",
}


def compose_card(
    opened: OpenedModel, name: str, licence: str, note: str, sheet: str = ""
) -> str:
    """The card of a run or of a derived model, in Markdown.

    Args:
      opened: the model.
      name: that the card is headed by.
      licence: under which the model is passed on; empty: not stated.
      note: a sentence of its maker's.
      sheet: file of pictures beside the card; empty: there is none.
    """
    settings, training = opened.settings, opened.settings.training
    shape = "×".join(map(str, settings.network.image_shape))
    classes = ", ".join(opened.class_names) or settings.network.num_classes or "none"
    rows = {
        "Licence": licence or "not stated",
        "Trained on": settings.data.dataset,
        "Pictures": f"{shape}, classes: {classes}",
        "Network": f"{settings.network.architecture}, patches of "
        f"{settings.network.patch_size}, "
        f"{count_parameters(opened.denoiser.variables):,} parameters",
        "Training": f"{training.iterations:,} steps of {training.batch_size} pictures",
        **_lineage(opened),
        **_figures(opened, settings.monitoring.best_by),
        "Known by": f"`{opened.digest}`",
        "Made with": f"pdm_tf {__version__}",
    }
    table = "\n".join(f"| {title} | {value} |" for title, value in rows.items())
    parts = [f"# {name}"]
    parts += [note] if note else []
    parts += ["    python -m pdm_tf sample --model=DIRECTORY"]
    parts += [f"![pictures]({sheet})"] if sheet else []
    parts += [f"| | |\n|---|---|\n{table}"]
    if opened.lineage:
        parts += ["model.json holds every setting, report.md what was measured."]
    else:
        parts += ["config.flags holds every setting."]
    return "\n\n".join(parts) + "\n"


def write_card(opened: OpenedModel, directory: Path) -> None:
    """Writes the card of a model into its directory.

    Its licence and a sentence on it are given to `pdm-tf pack`.
    """
    sheets = [*sorted(directory.glob("samples/step_*.png")), directory / SHEET]
    sheet = next((s for s in reversed(sheets) if s.is_file()), None)
    shown = sheet.relative_to(directory).as_posix() if sheet else ""
    card = compose_card(opened, directory.resolve().name, "", "", shown)
    write_text(directory / NAME, card)


def _lineage(opened: OpenedModel) -> dict[str, str]:
    """How a model was derived, and what its report found."""
    if not opened.lineage:
        return {}
    base = opened.lineage[0]["base"]["path"]
    rows = {"Derived from": f"`{base}`"}
    for number, entry in enumerate(opened.lineage, 1):
        given = ", ".join(f"{k}={v}" for k, v in entry["settings"].items())
        rows[f"Step {number}"] = f"{entry['method']} ({given}); {entry['paper']}"
    with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
        report = json.loads((Path(opened.path) / "report.json").read_text("utf-8"))
        found = {
            title: (report["base"].get(key), report["derived"].get(key))
            for title, key in _REPORTED.items()
        }
        rows |= {
            f"{title}, base → derived": f"{old:.4g} → {new:.4g}"
            for title, (old, new) in found.items()
            if old is not None and new is not None
        }
    return rows


def _figures(opened: OpenedModel, criterion: str) -> dict[str, str]:
    """What was measured while it was trained, of the last step and the best."""
    rows = read_rows(Path(opened.path))
    if not rows:
        return {}
    shown = {"last": rows[-1], f"best by {criterion}": rows[best_of(rows, criterion)]}
    return {
        f"Measured, {which}": f"step {row['step']}: "
        + ", ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "step")
        for which, row in shown.items()
    }
