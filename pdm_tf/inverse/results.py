"""What a solver found, in a directory of its own, with a record of what it is of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.data.images import save_png, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.inverse.problem import Problem, residual
from pdm_tf.storage.files import write_json

REPORT, SHEET = "report.json", "sheet.png"
_COLUMNS = 8  # of the sheet
_SPREAD = 4.0  # how much brighter the sheet shows what differs between seeds


def is_complete(directory: Path, count: int) -> bool:
    """Whether all that `write` writes is there."""
    names = [*(f"{i:04d}.png" for i in range(count)), SHEET, REPORT]
    return all((directory / name).is_file() for name in names)


def consistency(problem: Problem, x: tf.Tensor) -> list[float]:
    """Root mean square of y - H x of each picture: [N]."""
    left = residual(problem, x)
    axes = list(range(1, left.shape.rank))
    return np.sqrt(np.mean(np.square(left), axis=tuple(axes))).tolist()


def write(directory: Path, problem: Problem, x: tf.Tensor, report: Mapping) -> None:
    """Writes 0000.png …, sheet.png and report.json.

    Args:
      directory: where to.
      problem: what was measured.
      x: the results, float32 [N, H, W, C] in [-1, 1].
      report: what is said of them.
    """
    made = to_uint8(x).numpy()
    for i, picture in enumerate(made):
        save_png(directory / f"{i:04d}.png", picture)
    save_png(directory / SHEET, _sheet(problem, x, made))
    write_json(directory / REPORT, dict(report))


def _sheet(problem: Problem, x: tf.Tensor, made: np.ndarray) -> np.ndarray:
    """Truth, pseudo-inverse, results, and their spread over seeds, a named row each."""
    pinv = problem.operator.pinv(tf.convert_to_tensor(problem.y))
    back = np.asarray(to_uint8(pinv))
    spread = np.std(x, axis=0, keepdims=True)
    rows = {} if problem.truth is None else {"truth": problem.truth[:_COLUMNS]}
    rows["pseudo-inverse"] = back[:_COLUMNS]
    for first in range(0, len(made), _COLUMNS):
        last = min(first + _COLUMNS, len(made))
        name = "result" if len(made) == 1 else f"results {first + 1} to {last}"
        rows[name] = made[first:last]
    if len(made) > 1:
        rows[f"spread, times {_SPREAD:g}"] = np.asarray(
            to_uint8(_SPREAD * spread - 1.0)
        )
    return named_rows(rows)


def format_report(report: Mapping[str, Any]) -> str:
    """The report in a few lines."""
    lines = [
        f"{report['measured']} numbers of {report['pixels']}, "
        f"{report['evaluations']} evaluations, {report['seconds']:.1f} s"
    ]
    if "balance" in report:
        lines.append(f"regulariser beside the measurement: {report['balance']:.4g}")
    for name, unit in (("consistency", ""), ("psnr", " dB"), ("ssim", "")):
        if name in report:
            mean = float(np.mean(report[name]))
            lines.append(f"{name} {mean:.4g}{unit}, each of {_each(report[name])}")
    return "\n".join(lines)


def _each(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
