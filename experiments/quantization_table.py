"""The table of quantised models, and whether the bars of their systems hold."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from experiments.pages import table
from experiments.quantization_variants import STEPS

Row = dict[str, Any]
BASE, ATTENTION = "float32", "attention in 6 bits"
_HEADER = ("model", "what", "SQNR [dB]", "FD", "ratio", "bytes", "calibration [s]")


def text_of(rows: Sequence[Row]) -> str:
    """The table of all that was measured, in Markdown."""
    return table(_HEADER, (_line(rows, row) for row in rows if "bytes" in row))


def find(rows: Sequence[Row], name: str, data: str = "mnist") -> Row:
    """The row of a model and a name; empty if there is none."""
    found = (row for row in rows if (row["data"], row["name"]) == (data, name))
    return next(found, {})


def base_name(steps: int) -> str:
    """Name of the base's row with its distance at so many steps."""
    return BASE if steps == STEPS else f"{BASE}, {steps} steps"


def ratio_of(rows: Sequence[Row], row: Row) -> float | None:
    """Fréchet distance over that of the base."""
    base = find(rows, base_name(row.get("steps", STEPS)), row["data"]) if row else {}
    if "distance" not in row or "distance" not in base:
        return None
    return row["distance"] / base["distance"]


def _line(rows: Sequence[Row], row: Row) -> list[str]:
    base, ratio = find(rows, BASE, row["data"]), ratio_of(rows, row)
    between = "({:.3f} to {:.3f})".format(*row["ratio"][1:]) if "ratio" in row else ""
    smaller = row["bytes"] / base["bytes"] if "bytes" in base else None
    return [
        row["data"],
        row["name"],
        "{:.1f} ± {:.1f}".format(*mean_of(row["sqnr"])) if "sqnr" in row else "",
        f"{row['distance']:.3g}" if "distance" in row else "",
        f"{ratio:.3f} {between}".strip() if ratio and BASE not in row["name"] else "",
        f"{row['bytes']:,.0f}" + (f" ({smaller:.3f})" if smaller else ""),
        f"{row['processor_seconds']:.0f}" if "processor_seconds" in row else "",
    ]


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
    gains = [gain_of(own, row) for row in others]
    return {
        "command": command("ptq4dm"),
        "figure": f"FD ratio {ratio:.3f}; SQNR {mean_of(own['sqnr'])[0]:.1f} dB, "
        f"{shown(gains[0])} over calibration at t = 0, {shown(gains[1])} over that on "
        "noise",
        "holds": judged(ratio <= 1.12, *(at_least(gain, 3) for gain in gains)),
    }


Gain = tuple[float, float]  # mean and standard error [dB]
Verdict = bool | str


def mean_of(values: Sequence[float]) -> Gain:
    """Mean over seeds and its standard error."""
    return float(np.mean(values)), float(np.std(values) / np.sqrt(len(values)))


def gain_of(row: Row, other: Row) -> Gain:
    """How much higher one SQNR is than another, of the same seeds, and its error."""
    return mean_of(np.subtract(row["sqnr"], other["sqnr"]).tolist())


def shown(gain: Gain) -> str:
    """A gain in words."""
    return f"{gain[0]:+.1f} ± {gain[1]:.1f} dB"


def at_least(gain: Gain, bar: float) -> Verdict:
    """Whether a gain reaches a bar; undecided within two standard errors of it."""
    if abs(gain[0] - bar) < 2 * gain[1]:
        return "undecided"
    return gain[0] >= bar


def judged(*parts: Verdict) -> Verdict:
    """The verdict over several parts of a bar."""
    if False in parts:
        return False
    return "undecided" if "undecided" in parts else True


def command(method: str, settings: str = "") -> str:
    """The command that makes the model of a system."""
    words = f"python -m pdm_tf.quantization {method} --base=MODEL --out=DIR {settings}"
    return words.strip()


def q_diffusion(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 9: distances and likeness at 8 and at 4 bits, beside naive rounding."""
    names = ("q_diffusion W8A8", "q_diffusion W4A8", "min_max W4A8")
    eight, four, naive = (find(rows, name) for name in names)
    if "sqnr" not in eight:
        return None
    likeness = mean_of(eight["sqnr"])
    figure = f"W8A8: SQNR {likeness[0]:.1f} dB, {distance_of(rows, eight)}; "
    figure += f"W4A8: {distance_of(rows, four)}"
    if "sqnr" in four and "sqnr" in naive:
        figure += f", {shown(gain_of(four, naive))} over naive rounding, "
        figure += distance_of(rows, naive)
    return {
        "command": command("q_diffusion", "--weight_bits=4"),
        "figure": figure,
        "holds": judged(
            at_least(likeness, 25),
            near_enough(rows, eight, 1.02),
            near_enough(rows, four, 1.35),
        ),
    }


def low_bit_float(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 8: FP8 beside float32, FP4 weights beside integers of 4 bits."""
    names = ("low_bit_float W8A8", "low_bit_float W4A8", "min_max W4A8")
    eight, four, integer = (find(rows, name) for name in names)
    if "sqnr" not in eight:
        return None
    likeness = mean_of(eight["sqnr"])
    figure = f"FP8/FP8: SQNR {likeness[0]:.1f} dB, {distance_of(rows, eight)}; "
    learned: Verdict = "undecided"
    if "sqnr" in four and "sqnr" in integer:
        gain = gain_of(four, integer)
        figure += f"FP4/FP8, learned: {shown(gain)} over INT4/INT8 rounded to nearest"
        learned = at_least(gain, 1)
    else:
        figure += "FP4 weights are built and not measured yet"
    return {
        "command": command("low_bit_float"),
        "figure": figure,
        "holds": judged(
            at_least(likeness, 30), near_enough(rows, eight, 1.02), learned
        ),
    }


def distance_of(rows: Sequence[Row], row: Row) -> str:
    """The ratio of distances in words."""
    ratio = ratio_of(rows, row)
    if ratio is None:
        return "FD not measured yet"
    between = " ({:.3f} to {:.3f})".format(*row["ratio"][1:]) if "ratio" in row else ""
    return f"FD ratio {ratio:.3f}{between}"


def near_enough(rows: Sequence[Row], row: Row, bar: float) -> Verdict:
    """Whether a ratio of distances is within a bar; undecided if it is not known, or if
    the bar lies within its interval."""
    ratio = ratio_of(rows, row)
    if ratio is None:
        return "undecided"
    _, low, high = row.get("ratio", (ratio, ratio, ratio))
    return "undecided" if low <= bar < high else ratio <= bar


def dgq(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 5: groups beside one range, and logarithmic attention beside uniform."""
    names = ("dgq W8A6, 8 groups", "dgq W8A6, per tensor", ATTENTION)
    grouped, whole, attention = (find(rows, name) for name in names)
    if "sqnr" not in grouped or "sqnr" not in whole or not attention:
        return None
    gain, share = gain_of(grouped, whole), attention["log2"] / attention["uniform"]
    return {
        "command": command("dgq"),
        "figure": f"W8A6: SQNR {mean_of(grouped['sqnr'])[0]:.1f} dB with 8 groups, "
        f"{shown(gain)} over one range a tensor; KL of a 6-bit logarithmic softmax "
        f"{share:.3f} of the 6-bit uniform one",
        "holds": judged(at_least(gain, 3), share <= 0.5),
    }


def svdquant(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 2: beside min-max and beside smoothing alone; size beside float16."""
    names = ("svdquant W4A4", "min_max W4A4", "svdquant W4A4, smoothing alone", BASE)
    own, naive, smoothed, base = (find(rows, name) for name in names)
    if not all("sqnr" in row for row in (own, naive, smoothed)) or not base:
        return None
    gains = gain_of(own, naive), gain_of(own, smoothed)
    smaller = 0.5 * base["bytes"] / own["bytes"]
    return {
        "command": command("svdquant"),
        "figure": f"W4A4: SQNR {mean_of(own['sqnr'])[0]:.1f} dB, {shown(gains[0])} "
        f"over min-max, {shown(gains[1])} over smoothing alone; {smaller:.2f} times "
        "below float16, rank an eighth of the outputs (which allows 2.6 at most)",
        "holds": judged(*(at_least(g, 3) for g in gains)),
    }


def mixdq(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 6: beside 5 bits everywhere; distance at 8 bits; the budget."""
    names = ("mixdq W5A8", "mixdq W5A8, 5 bits everywhere", "mixdq W8A8")
    mixed, uniform, eight = (find(rows, name) for name in names)
    longer = find(rows, "mixdq W8A8, 50 steps")  # 1,000 pictures, without an interval
    if not all("sqnr" in row for row in (mixed, uniform)):
        return None
    gain, over = gain_of(mixed, uniform), mixed["bytes"] - uniform["bytes"]
    figure = (
        f"W5A8: SQNR {mean_of(mixed['sqnr'])[0]:.1f} dB, {shown(gain)} over 5 bits "
    )
    figure += f"everywhere, {over:+,.0f} bytes; W8A8, 20 steps: "
    figure += f"{distance_of(rows, eight)}; 50 steps: {distance_of(rows, longer)}"
    near = {near_enough(rows, row, 1.01) for row in (eight, longer) if row}
    eighth: Verdict = near.pop() if len(near) == 1 else "undecided"
    return {
        "command": command("mixdq"),
        "figure": figure,
        "holds": judged(at_least(gain, 2), over <= 0, eighth),
    }


VERDICTS: dict[int, Callable[[Sequence[Row]], dict[str, Any] | None]] = {
    2: svdquant,
    5: dgq,
    6: mixdq,
    8: low_bit_float,
    9: q_diffusion,
    12: ptq4dm,
}
