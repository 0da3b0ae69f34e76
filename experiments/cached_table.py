"""The table of what caches cost and gain, and whether their bars hold."""

from collections.abc import Sequence
from typing import Any

from experiments.pages import table

EQUAL = "uncached at equal operations"
SPEED = 0.85  # of what the count of operations allows
_HEADER = (
    *("model", "what", "operations", "time", "share of what they allow"),
    *("FD", "ratio", "FD of as few operations", "SQNR [dB]"),
)

Row = dict[str, Any]


def find(rows: Sequence[Row], data: str, name: str) -> Row:
    """The row of a model and a name; empty if there is none."""
    found = (row for row in rows if (row["data"], row["name"]) == (data, name))
    return next(found, {})


def comparison(rows: Sequence[Row], steps: int) -> str:
    """The table of all that was measured, in Markdown.

    Args:
      rows: of the record.
      steps: of DDIM.
    """
    shown = [row for row in rows if EQUAL not in row["name"]]
    shown = [row for row in shown if "ceiling" in row or row["name"] == "uncached"]
    lines = [_line(rows, row) for row in shown]
    return f"DDIM, {steps} steps.\n\n" + table(_HEADER, lines)


def _line(rows: Sequence[Row], row: Row) -> list[str]:
    data, name = row["data"], row["name"]
    equal = find(rows, data, f"{name}: {EQUAL}")
    cells = [data, name]
    if "ceiling" in row:
        cells += [f"{row['ceiling']:.2f} × fewer"]
        cells += [_shown(row, "faster", "{:.2f} × faster")]
        cells += [_shown({"share": share_of(row)}, "share", "{:.2f}")]
    else:
        cells += ["", "", ""]
    cells += [_shown(row, "distance", "{:.3g}")]
    ratio = ratio_of(rows, row)
    cells += [f"{ratio:.2f}" if ratio and name != "uncached" else ""]
    cells += [_shown(equal, "distance", "{:.3g}")]
    if equal.get("distance"):
        cells[-1] += f" ({equal['steps']} steps)"
    cells += [_shown(row, "sqnr", "{:.1f}")]
    return cells


def _shown(row: Row, field: str, form: str) -> str:
    value = row.get(field)
    return "" if value is None else form.format(value)


def share_of(row: Row) -> float | None:
    """Speed-up as a share of what the count of operations allows."""
    return row["faster"] / row["ceiling"] if "faster" in row else None


def ratio_of(rows: Sequence[Row], row: Row) -> float | None:
    """Fréchet distance over that of the uncached model."""
    base = find(rows, row["data"], "uncached")
    if "distance" not in row or "distance" not in base:
        return None
    return row["distance"] / base["distance"]


def verdict(
    rows: Sequence[Row], wanted: Sequence[tuple[str, str]], ratio: float, equal: bool
) -> bool | str:
    """Whether a bar holds: "undecided" where something was not measured.

    Args:
      rows: of the record.
      wanted: (data, name) of each row that must hold.
      ratio: of Fréchet distances, at most.
      equal: whether the distance must be below that at equal operations.
    """
    held = True
    for data, name in wanted:
        row = find(rows, data, name)
        share, found = (
            share_of(row) if row else None,
            ratio_of(rows, row or {"data": data}),
        )
        other = find(rows, data, f"{name}: {EQUAL}")
        if share is None or found is None or (equal and "distance" not in other):
            return "undecided"
        held = held and share >= SPEED and found <= ratio
        if equal:
            held = held and row["distance"] < other["distance"]
    return held


def summary(rows: Sequence[Row], wanted: Sequence[tuple[str, str]]) -> str:
    """One line on each row: model, name, time, ratio of distances."""
    parts = []
    for data, name in wanted:
        row = find(rows, data, name)
        ratio = ratio_of(rows, row) if row else None
        if row and ratio and "faster" in row:
            share = share_of(row) or 0.0
            parts.append(
                f"{data}, {name}: {row['faster']:.2f} × faster ({share:.2f} of what "
                f"operations allow), FD ratio {ratio:.2f}"
            )
    return "; ".join(parts)
