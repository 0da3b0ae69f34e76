"""Whether the bars of the systems that tune a quantised network hold."""

from collections.abc import Callable, Sequence
from typing import Any

from experiments.quantization_table import (
    Row,
    Verdict,
    at_least,
    command,
    distance_of,
    find,
    gain_of,
    judged,
    mean_of,
    near_enough,
    shown,
)

TRAINING = "full training W4A4, "  # and a number of steps
SEEDED, SEEDS = "quest W4A4, seed ", 3  # trainings besides the first, and of all
SLOWER, MOST_TUNED = 10.0, 0.15


def efficientdm(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 1: distance, and its time beside that of full training."""
    own = find(rows, "efficientdm W4A4")
    if "sqnr" not in own:
        return None
    others = [
        row
        for row in rows
        if row["name"].startswith("efficientdm W4A4, seed ") and "distance" in row
    ]
    figure = f"W4A4: SQNR {mean_of(own['sqnr'])[0]:.1f} dB, {distance_of(rows, own)}, "
    figure += f"made in {own['processor_seconds']:.0f} s of the processor"
    if others:
        words = (distance_of(rows, row).removeprefix("FD ratio ") for row in others)
        figure += f"; other seeds: {', '.join(words)}"
    trained = [
        row for row in rows if row["name"].startswith(TRAINING) and "sqnr" in row
    ]
    for row in trained:
        steps = row["name"].removeprefix(TRAINING)
        figure += f"; full training, {steps}: SQNR {mean_of(row['sqnr'])[0]:.1f} dB, "
        figure += f"{distance_of(rows, row)} in "
        figure += f"{row['processor_seconds'] / own['processor_seconds']:.1f} times"
    near = [near_enough(rows, row, 1.1) for row in (own, *others)]
    return {
        "command": command("efficientdm"),
        "figure": figure + (" the time" if trained else ""),
        "holds": judged(*near, faster([own, *others], trained)),
    }


def faster(own: Sequence[Row], trained: Sequence[Row]) -> Verdict:
    """Whether training took ten times as long to be as near as tuning in the mean of
    its seeds: undecided as long as it was not trained that long and is not as near."""
    verdict: Verdict = "undecided"
    near = [row["distance"] for row in own if "distance" in row]
    for row in trained:
        if "distance" not in row or not near:
            continue
        longer = row["processor_seconds"] / own[0]["processor_seconds"]
        if row["distance"] <= sum(near) / len(near) and longer < SLOWER:
            return False
        if row["distance"] > sum(near) / len(near) and longer >= SLOWER:
            verdict = True
    return verdict


def quest(rows: Sequence[Row]) -> dict[str, Any] | None:
    """System 3: beside Q-Diffusion; how many parameters learn; which layers matter."""
    own, start = find(rows, "quest W4A4"), find(rows, "q_diffusion W4A4")
    if "sqnr" not in own or "sqnr" not in start:
        return None
    gain = gain_of(own, start)
    figure = f"W4A4: SQNR {mean_of(own['sqnr'])[0]:.1f} dB, {shown(gain)} over "
    figure += f"Q-Diffusion, {own['tuned']:.1%} of the parameters tuned"
    compared: Verdict = True
    for name, words in (("time alone", "time"), ("both", "both"), ("untuned", "none")):
        row = find(rows, f"quest W4A4, {name}")
        if "sqnr" in row:
            figure += f"; {words}: {mean_of(row['sqnr'])[0]:.1f} dB, {row['tuned']:.1%}"
        elif words != "none":
            compared = "undecided"  # the table is not complete
    others = [gain_of(r, start) for r in rows if r["name"].startswith(SEEDED)]
    if others:
        figure += f"; trained again: {', '.join(map(shown, others))}"
    if 1 + len(others) < SEEDS:
        figure += f"; trainings: {1 + len(others)} of the {SEEDS} that would decide"
        compared = "undecided"
    return {
        "command": command("quest"),
        "figure": figure,
        "holds": judged(
            *(at_least(each, 3) for each in (gain, *others)),
            own["tuned"] <= MOST_TUNED,
            compared,
        ),
    }


TUNED: dict[int, Callable[[Sequence[Row]], dict[str, Any] | None]] = {
    1: efficientdm,
    3: quest,
}
