"""MODEL_CARD.md: what somebody must know who is given a model."""

from pathlib import Path

from pdm_tf.assemble.measuring import best_of, read_rows
from pdm_tf.assemble.models import OpenedModel
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.version import __version__

NAME = "MODEL_CARD.md"


def compose_card(
    opened: OpenedModel, name: str, licence: str, note: str, sheet: str = ""
) -> str:
    """The card of a run, in Markdown.

    Args:
      opened: the run.
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
        **_figures(opened, settings.monitoring.best_by),
        "Known by": f"`{opened.digest}`",
        "Made with": f"pdm_tf {__version__}",
    }
    table = "\n".join(f"| {title} | {value} |" for title, value in rows.items())
    parts = [f"# {name}"]
    parts += [note] if note else []
    parts += ["    python -m pdm_tf sample --model=DIRECTORY"]
    parts += [f"![pictures]({sheet})"] if sheet else []
    parts += [f"| | |\n|---|---|\n{table}", "config.flags holds every setting."]
    return "\n\n".join(parts) + "\n"


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
