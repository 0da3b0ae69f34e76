"""What docs/few_steps.md says of its record: tables, and whether bars hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.few_steps_models import RECIPES
from experiments.few_steps_ways import (
    FEW,
    LCM,
    MANY,
    MMD,
    ONE,
    SETS,
    SHEET,
    SLIM,
    SLIM_STEPS,
)
from experiments.pages import DOCS, read_record, table, write_page
from experiments.systems import Verdict

PHOTOS_BAR = 1.3  # times the distance of 250 steps of DDPM, in 4 evaluations


def write(docs: Path) -> None:
    """Writes the page of a folder from its record."""
    rows = read_record(docs / "few_steps.json")
    write_page(docs / "few_steps.md", "few_steps", text_of(rows))


def found(rows: Sequence[dict[str, Any]], way: str, steps: int) -> float:
    """The mean distance of a row."""
    own = (r for r in rows if (r.get("way"), r.get("steps")) == (way, steps))
    return next(own)["distance"]


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The tables of the page."""
    named = (row["way"] for row in rows if "way" in row and row["steps"] in FEW)
    ways = list(dict.fromkeys(named))
    header = [
        "Fréchet distance (read as asked)",
        *(f"{n} step{'s' * (n > 1)}" for n in FEW),
        "calls a step",
    ]
    lines = []
    for way in ways:
        own = {row["steps"]: row for row in rows if row.get("way") == way}
        cells = [_cell(own[n]) if n in own else "–" for n in FEW]
        some = next(iter(own.values()))
        lines.append([way, *cells, some["calls"] // some["steps"]])
    many = next(row for row in rows if row.get("steps") == MANY)
    parts = [
        table(header, lines),
        f"DDIM in {MANY} steps, two calls each: {_cell(many)}.",
        *(_slim(row) for row in rows if "top_octave" in row),
        *(
            f"{row['way']}, steps: {row['steps']}, of {SETS} sets: "
            f"{_list(row['distances'])}."
            for row in rows
            if len(row.get("distances", ())) > 1 and row["steps"] != MANY
        ),
        *(
            f"Distance to the nearest training digit [RMS]: {row['mmd']:.4f} of "
            f"MMD-DDM in 5 steps, {row['base']:.4f} of DDIM in 5, "
            f"{row['many']:.4f} in {MANY}."
            for row in rows
            if "nearest" in row
        ),
    ]
    for row in rows:
        if "style" in row:
            parts.append(_style(row))
        if "share" in row:
            parts.append(f"The adapter has {row['share']:.1%} of the parameters.")
    parts += [race_text(row) for row in rows if "race" in row]
    parts.append(photos_text(rows))
    return "\n\n".join(filter(None, parts))


def _cell(row: dict[str, Any]) -> str:
    return f"{row['distance']:.1f} ({row['accuracy']:.1%})"


def _list(distances: Sequence[float]) -> str:
    return ", ".join(f"{distance:.2f}" for distance in distances)


def _style(row: dict[str, Any]) -> str:
    return table(
        (row["style"], "stroke [pixels]"),
        (
            (title, f"{row[name]:.2f} ± {row[f'{name}_error']:.2f}")
            for title, name in (
                (f"tuned model, {MANY} steps", "tuned"),
                ("tuned model + adapter, 4 steps", "added"),
                (f"base, {MANY} steps", "base"),
            )
        ),
    )


def _slim(row: dict[str, Any]) -> str:
    """A sentence on slim students."""
    each = (
        f"{name}: {found['share']:.3f} of the operations, error of the log power in "
        f"the top octave {found['error']:.3f}"
        for name, found in row["top_octave"].items()
    )
    return f"Slim students, DPM-Solver++ in {SLIM_STEPS} steps. {'; '.join(each)}."


def verdict_of_mmd(rows: Sequence[dict[str, Any]]) -> tuple[str, Verdict]:
    """What is said of system 16, and whether it holds its bars."""
    own, few = (distances(rows, name, 5) for name in (MMD.name, "DDIM"))
    ratio, more = own.mean() / few.mean(), own.mean() / found(rows, "DDIM", 10)
    parts = [each.std(ddof=1) / each.mean() / np.sqrt(SETS) for each in (own, few)]
    error = ratio * np.hypot(*parts)
    near = next(row for row in rows if "nearest" in row)
    said = (
        f"5 steps, one evaluation each: FD {own.mean():.2f} (mean of {SETS} sets), "
        f"{ratio:.3f} ± {error:.3f} times DDIM-5 and {more:.2f} times DDIM-10, which "
        f"take two; the nearest training digit at {near['mmd']:.3f} (DDIM-5: "
        f"{near['base']:.3f})"
    )
    if abs(ratio - 0.6) < 2.0 * error:
        return said, "undecided"
    return said, bool(ratio <= 0.6 and more <= 1.0 and near["mmd"] >= near["base"])


def distances(rows: Sequence[dict[str, Any]], way: str, steps: int) -> np.ndarray:
    """The distance of each set of a row."""
    own = (r for r in rows if (r.get("way"), r.get("steps")) == (way, steps))
    return np.array(next(own)["distances"])


def verdict_of_slimflow(rows: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """What is said of system 15, and whether it holds its bars."""
    naive, own = (found(rows, way.name, 1) for way in ONE)
    many = found(rows, "DDIM", MANY)
    share = next(row["flow_share"] for row in rows if "flow_share" in row)
    steps = RECIPES["slimflow-annealed"].config.iterations
    said = (
        f"{share:.3f} of the operations, 1 step, twice {steps} training steps: FD "
        f"{own:.1f}, {own / many:.2f} times DDIM-50 and {own / naive:.2f} times naive "
        f"reflow (means of {SETS} sets)"
    )
    return said, own <= 1.5 * many and own <= 0.8 * naive and share <= 0.25


def verdict_of_spectral(rows: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """What is said of system 18, and whether it holds its bars."""
    plain, own = (found(rows, way.name, SLIM_STEPS) for way in SLIM)
    row = next(row for row in rows if "top_octave" in row)["top_octave"]
    was, is_now = (row[way.name]["error"] for way in SLIM)
    share = row[SLIM[1].name]["share"]
    steps = RECIPES["spectral"].config.iterations
    said = (
        f"{share:.3f} of the operations of the digits model (not of the wide one), "
        f"{steps:,} steps each, one seed of training: FD {own:.1f} over {plain:.1f} of "
        f"plain slim ({own / plain:.2f}; means of {SETS} sets); error of "
        f"the log power in the top octave {is_now / was - 1.0:+.0%}"
    )
    return said, own <= 0.9 * plain and is_now <= 0.75 * was and share <= 0.125


def verdict(rows: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """What is said of system 42, and whether it holds its bars."""
    own = found(rows, LCM.name, 4)
    to_many, to_few = own / found(rows, "DDIM", MANY), own / found(rows, "DDIM", 4)
    share = next(row["share"] for row in rows if "share" in row)
    style = next(row for row in rows if "style" in row)
    thick = style["added"] / style["tuned"] - 1.0
    said = (
        f"4 steps: FD {own:.2f} (mean of {SETS} sets), {to_many:.2f} "
        f"times DDIM-50 and {to_few:.2f} times DDIM-4; {share:.1%} of the parameters; "
        f"added to thick digits: strokes {thick:+.1%}"
    )
    holds = to_many <= 1.3 and to_few <= 0.5 and share <= 0.2 and abs(thick) <= 0.1
    return said, holds


def race_text(row: dict[str, Any]) -> str:
    """The table of the race."""
    header = ["what", "steps", "runtime", "ms a picture", "times as fast"]
    header += ["by the clock", "Fréchet distance", "over DDPM's", "read as asked"]
    lines = [
        (
            each["name"],
            each["steps"],
            each["runtime"],
            f"{1e3 * each['seconds']:.2f}",
            _spread(each["faster"], ".0f"),
            f"{each['by_clock'][0]:.0f}",
            _spread(each["distance"], ".1f"),
            _spread(each["ratio"], ".2f"),
            f"{each['accuracy']:.1%}",
        )
        for each in row["race"]
    ]
    return table(header, lines)


def _spread(values: Sequence[float], how: str) -> str:
    value, low, high = (format(v, how) for v in values)
    return value if low == high else f"{value} ({low} to {high})"


def slowest() -> dict[str, Any]:
    """250 steps of DDPM, as docs/samplers.json has it, of as many pictures."""
    rows = read_record(DOCS / "samplers.json")
    wanted = ("photos", "ddpm", "uniform", 250)
    keys = ("data", "sampler", "spacing", "steps")
    return next(row for row in rows if tuple(row[key] for key in keys) == wanted)


def photos_text(rows: Sequence[dict[str, Any]]) -> str:
    """The table of photographs, and what is said of the bar."""
    cells = {(r["photos"], r["steps"]): r["distance"] for r in rows if "photos" in r}
    if not cells:
        return ""
    header = ["photographs, Fréchet distance (95 %)"]
    header += [f"{n} evaluation{'s' * (n > 1)}" for n in SHEET]
    lines = [
        [
            name,
            *(_interval(cells[name, n]) if (name, n) in cells else "–" for n in SHEET),
        ]
        for name in dict.fromkeys(name for name, _ in cells)
    ]
    slow = slowest()
    best = min(
        (name for name, n in cells if n == 4), key=lambda name: cells[name, 4][0]
    )
    ratios = [row["photos_ratios"] for row in rows if "photos_ratios" in row]
    found = ratios[0][best] if ratios else [cells[best, 4][0] / slow["distance"]] * 3
    whole = _interval([slow["distance"], slow["low"], slow["high"]])
    said = (
        f"DDPM in 250 steps: {whole}. In 4 evaluations {best} is best, at "
        f"{_spread(found, '.2f')} times that of the same seeds; the bar is "
        f"{PHOTOS_BAR}."
    )
    return "\n\n".join([table(header, lines), said])


def _interval(distance: Sequence[float]) -> str:
    value, low, high = distance
    return f"{value:.2f} ({low:.2f} to {high:.2f})"
