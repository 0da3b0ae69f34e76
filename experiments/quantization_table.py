"""The table of quantised models, and whether the bars of their systems hold."""

from collections.abc import Callable, Sequence
from typing import Any

from experiments.pages import table

Row = dict[str, Any]
BASE = "float32"
_HEADER = ("model", "what", "SQNR [dB]", "FD", "ratio", "bytes", "calibration [s]")


def text_of(rows: Sequence[Row]) -> str:
    """The table of all that was measured, in Markdown."""
    return table(_HEADER, (_line(rows, row) for row in rows if "bytes" in row))


def find(rows: Sequence[Row], name: str, data: str = "mnist") -> Row:
    """The row of a model and a name; empty if there is none."""
    found = (row for row in rows if (row["data"], row["name"]) == (data, name))
    return next(found, {})


def ratio_of(rows: Sequence[Row], row: Row) -> float | None:
    """Fréchet distance over that of the base."""
    base = find(rows, BASE, row["data"]) if row else {}
    if "distance" not in row or "distance" not in base:
        return None
    return row["distance"] / base["distance"]


def _line(rows: Sequence[Row], row: Row) -> list[str]:
    base, ratio = find(rows, BASE, row["data"]), ratio_of(rows, row)
    smaller = row["bytes"] / base["bytes"] if "bytes" in base else None
    return [
        row["data"],
        row["name"],
        f"{row['sqnr']:.1f} ± {row['error']:.1f}" if "sqnr" in row else "",
        f"{row['distance']:.3g}" if "distance" in row else "",
        f"{ratio:.3f}" if ratio and row["name"] != BASE else "",
        f"{row['bytes']:,.0f}" + (f" ({smaller:.3f})" if smaller else ""),
        f"{row['processor_seconds']:.0f}" if "processor_seconds" in row else "",
    ]


Verdict = Callable[[Sequence[Row]], dict[str, Any] | None]
VERDICTS: dict[int, Verdict] = {}
