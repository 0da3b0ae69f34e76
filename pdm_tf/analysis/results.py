"""What a figure comes to: a table, a picture, and what was found beside the claims."""

import contextlib
import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pdm_tf.data.images import save_png
from pdm_tf.errors import SettingError
from pdm_tf.storage.files import write_text
from pdm_tf.storage.reading import is_regular, read_regular

DOTS = 100  # per inch
_LARGEST = 2**24  # bytes of a text that is read


class Claim(NamedTuple):
    """One claim of the paper, and what was found."""

    paper: str
    found: str
    agrees: bool

    def __str__(self) -> str:
        verdict = "agrees with" if self.agrees else "DIFFERS from"
        return f"found: {self.found}\n  {verdict} the paper: {self.paper}"


class Result(NamedTuple):
    """A figure; the picture is drawn from the rows, and shows nothing else."""

    name: str  # of its files
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    figure: Figure
    claims: Sequence[Claim]

    def column(self, name: str) -> np.ndarray:
        """One column of the table."""
        return np.array([row[list(self.columns).index(name)] for row in self.rows])


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that needs no display; sides in inches."""
    return Figure(figsize=(width, height), dpi=DOTS, layout="constrained")


def show_picture(axes: Axes, x: np.ndarray) -> None:
    """A picture [H, W, C] without a scale; what is beyond [-1, 1] is clipped."""
    shown = np.clip(0.5 * (x + 1), 0, 1)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[], frame_on=False)


def refuse_others(name: str, directory: Path) -> None:
    """Raises SettingError where files have a figure's names and are not of it.

    Args:
      name: of the figure, whose results may have a letter more.
      directory: where they are to go.
    """
    for result in (name, f"{name}a", f"{name}b"):
        _refuse_other(result, directory)


def _refuse_other(name: str, directory: Path) -> None:
    said, *others = (directory / f"{name}.{kind}" for kind in ("txt", "csv", "png"))
    there = [path for path in (said, *others) if os.path.lexists(path)]
    if not there:
        return
    with contextlib.suppress(OSError, ValueError):
        first = read_regular(said, _LARGEST).decode("utf-8").partition("\n")[0]
        if first == name and all(is_regular(path) for path in there):
            return
    raise SettingError(
        "out",
        directory,
        f"{there[0].name} in it is not of this command; name another directory",
    )


def write_result(result: Result, directory: Path) -> list[Path]:
    """Writes NAME.csv, NAME.png and NAME.txt, each whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    table, picture, said = (
        directory / f"{result.name}.{kind}" for kind in ("csv", "png", "txt")
    )
    write_text(said, format_result(result))  # by which the others are known
    write_text(table, format_csv(result))
    save_figure(picture, result.figure)
    return [table, picture, said]


def save_figure(path: Path, figure: Figure) -> None:
    """A figure as PNG, whole or not at all."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    save_png(path, np.asarray(canvas.buffer_rgba())[..., :3].copy())


def format_csv(result: Result) -> str:
    """The table as CSV, numbers with six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([_shown(value) for value in row] for row in result.rows)
    return text.getvalue()


def format_result(result: Result) -> str:
    """The table in columns, and each claim with what was found."""
    rows = [list(result.columns), *([_shown(v) for v in row] for row in result.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join([result.name, *lines, *map(str, result.claims)]) + "\n"


def _shown(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return str(value)
