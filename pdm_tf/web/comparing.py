"""Models beside each other: the same seeds, the time they take, their size."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pdm_tf.data.images import contact_sheet
from pdm_tf.errors import SettingError
from pdm_tf.evaluation.model_cost import count_evaluations
from pdm_tf.web.drawing import Request, enlarged
from pdm_tf.web.tried import Limits, Tried


class Row(NamedTuple):
    """What a model drew, uint8 [h, w, C], and what it took."""

    name: str
    sheet: np.ndarray
    seconds: float
    evaluations: int
    megabytes: float | None


def compared(
    models: Sequence[Tried], request: Request, limits: Limits
) -> Iterator[list[Row]]:
    """The rows so far, after each model.

    Each draws the whole request once before its time is taken: every part of a graph
    is slow when it is first computed.

    Raises:
      SettingError: what a model, or the page, does not do; pictures of other shapes.
    """
    shape = models[0].generator.image_shape
    rows: list[Row] = []
    for model in models:
        if model.generator.image_shape != shape:
            raise SettingError("beside", model.path, "draws pictures of another shape")
        count, steps, seeds = request.check(model, limits)
        labels, weight = model.labels(request.chosen, count), float(request.guidance)
        asked = seeds, labels, steps, weight, request.sampler
        model.generator.generate(*asked)
        began = time.monotonic()
        pictures = model.generator.generate(*asked)
        seconds = time.monotonic() - began
        calls = count_evaluations(
            model.generator, request.sampler, str(steps), request.guidance
        )
        sheet = enlarged(contact_sheet(pictures, columns=min(count, 8)))
        rows.append(Row(model.name, sheet, seconds, calls, model.megabytes))
        yield list(rows)


def as_table(rows: Sequence[Row], count: int) -> str:
    """Time and size as a table in Markdown, the first model's as 1."""
    lines = [
        "| model | seconds a picture | times as fast | evaluations | MB |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        size = "not known" if row.megabytes is None else f"{row.megabytes:.2f}"
        lines.append(
            f"| {row.name} | {row.seconds / count:.3f} "
            f"| {rows[0].seconds / max(row.seconds, 1e-9):.2f} "
            f"| {row.evaluations} | {size} |"
        )
    return "\n".join(lines)
