"""The page docs/samplers.md and its curves, from what is on record in samplers.json."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt

from experiments.pages import write_page

TITLES = {
    "mnist": "Digits: the model of `configs/mnist.flags`",
    "photos": "Photographs: the model of `configs/photos.flags`",
}

_APART = 1.03  # factor between the places of two samplers of as many evaluations


@dataclass(frozen=True)
class Row:
    """What was measured of a sampler on a grid."""

    data: str
    sampler: str
    spacing: str
    steps: int
    evaluations: int  # for one picture; the two halves of guidance count as one
    distance: float  # to the training pictures
    low: float  # its 95 % interval
    high: float
    outliers: float | None  # share of pixels out of range when nothing clips
    seconds: float  # of a processor, for one picture


def _of(rows: list[Row], sampler: str, spacing: str = "uniform") -> list[Row]:
    mine = [row for row in rows if (row.sampler, row.spacing) == (sampler, spacing)]
    return sorted(mine, key=lambda row: row.steps)


def _samplers(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row.sampler for row in rows))


def _reference(rows: list[Row]) -> Row:
    """DDPM at most steps: the quality that fewer steps are to reach."""
    return _of(rows, "ddpm")[-1]


def fewest(rows: list[Row]) -> Row | None:
    """The row of fewest evaluations within 10 % of the reference, if there is one."""
    goal = 1.1 * _reference(rows).distance
    near = [row for row in rows if row.distance <= goal and row.sampler != "ddpm"]
    return min(near, key=lambda row: (row.evaluations, row.distance), default=None)


def plot(data: str, rows: list[Row], docs: Path) -> str:
    """Draws the distance over evaluations for each sampler; returns the file's name."""
    figure, axes = plt.subplots(figsize=(9, 5), constrained_layout=True)
    names = _samplers(rows)
    for place, name in enumerate(names):
        mine = _of(rows, name)
        aside = _APART ** (place - (len(names) - 1) / 2)  # so that bars stay apart
        x = [row.evaluations * aside for row in mine]
        y = [row.distance for row in mine]
        errors = [
            [row.distance - row.low for row in mine],
            [row.high - row.distance for row in mine],
        ]
        axes.errorbar(
            x,
            y,
            errors,
            marker="o",
            markersize=4,
            linewidth=1,
            elinewidth=0.8,
            label=name,
        )
    reference = _reference(rows)
    axes.axhline(
        1.1 * reference.distance,
        color="grey",
        linestyle=":",
        label=f"ddpm at {reference.steps}, + 10 %",
    )
    axes.set(xscale="log", yscale="log", ylabel="Fréchet distance")
    axes.set_xlabel("evaluations (samplers of as many stand side by side)")
    axes.set_xticks(marks := (5, 10, 15, 20, 25, 50, 100, 250), map(str, marks))
    axes.minorticks_off()
    axes.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    name = f"samplers_{data}.png"
    (docs / "images").mkdir(parents=True, exist_ok=True)
    figure.savefig(docs / "images" / name, dpi=130)
    plt.close(figure)
    return name


def _steps(rows: list[Row]) -> Iterator[str]:
    yield "| sampler | steps | evaluations | Fréchet distance | outliers | seconds |"
    yield "|---|---|---|---|---|---|"
    for name in _samplers(rows):
        for row in _of(rows, name):
            outliers = "" if row.outliers is None else f"{row.outliers:.2%}"
            yield (
                f"| {name} | {row.steps} | {row.evaluations} | {_distance(row)} | "
                f"{outliers} | {row.seconds:.3f} |"
            )


def _distance(row: Row) -> str:
    return f"{row.distance:.2f} ({row.low:.2f} to {row.high:.2f})"


def _spacings(rows: list[Row]) -> Iterator[str]:
    spacings = list(dict.fromkeys(row.spacing for row in rows))
    yield f"| sampler | steps | {' | '.join(spacings)} |"
    yield f"|---|---|{'---|' * len(spacings)}"
    for name in _samplers(rows):
        found = {row.steps for row in rows if row.sampler == name}
        for steps in sorted(found):
            row = [
                f"{r.distance:.2f}"
                for spacing in spacings
                for r in _of(rows, name, spacing)
                if r.steps == steps
            ]
            if len(row) == len(spacings):
                yield f"| {name} | {steps} | {' | '.join(row)} |"


def _section(data: str, rows: list[Row], docs: Path) -> str:
    best, reference = fewest(rows), _reference(rows)
    found = "none of those measured"
    if best:
        found = (
            f"{best.evaluations}, `{best.sampler}` with {best.steps} steps, "
            f"{best.spacing} spacing ({best.distance:.2f})"
        )
    lines = "\n".join
    return f"""## {TITLES.get(data, data)}

Fewest evaluations within 10 % of DDPM at {reference.steps} steps
({reference.distance:.2f}): **{found}**.

![Fréchet distance over evaluations](images/{plot(data, rows, docs)})

{lines(_steps(rows))}

Fréchet distance by spacing:

{lines(_spacings(rows))}
"""


def write(rows: list[Row], docs: Path) -> None:
    """Writes a section for each data into samplers.md."""
    sections = [
        _section(data, [row for row in rows if row.data == data], docs)
        for data in dict.fromkeys(row.data for row in rows)
    ]
    write_page(docs / "samplers.md", "samplers", "\n".join(sections))
