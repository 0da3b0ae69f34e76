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


def ptq4dm(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 12: distance, and what its calibration gains over that at one t."""
    own = find(rows, "ptq4dm W8A8")
    others = [
        find(rows, f"ptq4dm W8A8, calibrated {where}")
        for where in ("at t = 0", "on noise")
    ]
    ratio = ratio_of(rows, own)
    if ratio is None or not all("sqnr" in row for row in others):
        return None
    gains = [own["sqnr"] - row["sqnr"] for row in others]
    return {
        "command": command("ptq4dm"),
        "figure": f"FD ratio {ratio:.3f}; SQNR {own['sqnr']:.1f} dB, {gains[0]:+.1f} dB "
        f"over calibration at t = 0, {gains[1]:+.1f} dB over that on noise",
        "holds": ratio <= 1.12 and min(gains) >= 3,
    }


def command(method: str, settings: str = "") -> str:
    """The command that makes the model of a system."""
    words = f"python -m pdm_tf.quantization {method} --base=MODEL --out=DIR {settings}"
    return words.strip()


VERDICTS: dict[int, Verdict] = {12: ptq4dm}
