"""Measures local edits along singular directions (2409.02426): docs/directions.md.

On digits that the model has not seen; the left, right, upper, lower half may change in
turn, along the two strongest directions. The model is told no class.

Example: python -m experiments.directions pretrained:mnist
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.digits import CLASSES, SHAPE
from experiments.editing import halves
from experiments.inverse import interval
from experiments.pages import DOCS, table, write_page, write_record
from experiments.systems import record_system
from pdm_tf.assemble import open_model
from pdm_tf.config import DirectionsConfig
from pdm_tf.data.images import save_png, to_float, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.editing.directions import edit_along, grid_below, local_directions
from pdm_tf.editing.singular import Derivative
from pdm_tf.samplers import encode

ARGUMENTS = ("pretrained:mnist",)
COMMAND = (
    "python -m pdm_tf.editing directions --model=MODEL --image=FILE --mask=FILE "
    "--out=DIR"
)
OWN = DirectionsConfig()
STEPS, DIRECTIONS, SHOWN = 50, 2, 4
SHARES = np.linspace(-1.0, 1.0, 7)  # of the strength
WHOLE = (250, 500, 750)  # timesteps at which the whole derivative is looked at
BAR, ALLOWED = 25.0, 0.15


class Mover:
    """A model of digits, and digits that it has not seen, noised and not."""

    def __init__(self, path: str, count: int) -> None:
        model = open_model(path)
        denoise = model.denoiser
        source = open_source("mnist", SHAPE, CLASSES, split="test")
        self.digits = source.read(np.arange(count))[0]
        self.x, self.masks = to_float(self.digits), halves(count)
        null = np.array([denoise.num_classes], np.int32)
        self.plain = denoise.conditioned(null)
        self.decoder = for_sampling(denoise, null, 1.0, model.settings.sampling)
        whole = denoise.schedule.grid(STEPS)
        self.grids = {t: grid_below(denoise.schedule, whole, t) for t in WHOLE}
        self.grid = self.grids[OWN.timestep]
        self.derivative = Derivative(self.plain, self.grid.level(0))
        self.rows: dict[str, np.ndarray] = {}

    def ranks(self, t: int, count: int) -> np.ndarray:
        """Share of the directions that hold 99 % of J's energy, for some digits."""
        derivative, found = self.derivative, []
        if t != OWN.timestep:
            derivative = Derivative(self.plain, self.grids[t].level(0))
        for i in range(count):
            z = encode(self.decoder, self.grids[t], [0], self.x[i : i + 1])
            values = np.linalg.svd(derivative.matrix(z), compute_uv=False)
            energy = np.cumsum(np.square(values, dtype=np.float64))
            many = np.searchsorted(energy, 0.99 * energy[-1]) + 1
            found.append(many / len(values))
        return np.array(found)

    def moved(self, i: int, outside: int) -> list[dict[str, Any]]:
        """A row for each direction of a digit: what changes inside, what outside."""
        x, mask = self.x[i : i + 1], self.masks[i]
        z = encode(self.decoder, self.grid, [0], x)
        vectors = local_directions(self.derivative, z, mask, DIRECTIONS, outside)[0]
        far = (OWN.strength * SHARES).tolist()
        made = edit_along(self.decoder, self.grid, z, vectors, far).numpy()
        slopes = self.derivative.forward(z, vectors).numpy() * mask
        parts = made.reshape(len(vectors), len(far), *SHAPE)
        if i < SHOWN:
            for k, part in enumerate(parts):
                row = np.concatenate(
                    [self.digits[i : i + 1], to_uint8(tf.constant(part)).numpy()]
                )
                self.rows[f"digit {i}, direction {k}, without {outside}"] = row
        pairs = zip(parts, slopes, strict=True)
        return [
            {"digit": i, "outside": outside, **described(part, x[0], mask, slope)}
            for part, slope in pairs
        ]


def described(
    made: np.ndarray, x: np.ndarray, mask: np.ndarray, slope: np.ndarray
) -> dict[str, Any]:
    """What edits along a direction [M, H, W, C] are, in the order of their strengths.

    Along is the change inside, by its part along what the derivative says it is.
    """
    beside, middle = ~mask[..., 0], len(made) // 2
    error = np.mean(np.square(made[[0, -1]] - x)[:, beside], axis=(1, 2))
    change = (made - made[middle]) * mask
    inside = np.sqrt(np.mean(np.square(change[[0, -1]])[:, mask[..., 0]], axis=(1, 2)))
    along = np.sum(change * slope, axis=(1, 2, 3)) / np.linalg.norm(slope)
    return {
        "beside": [round(float(10 * np.log10(4.0 / e)), 2) for e in error],
        "inside": [round(float(r), 3) for r in inside],
        "along": [round(float(a), 2) for a in along],
        "rises": bool((np.diff(along) > 0).all()),
    }


def summed(rows: Sequence[dict[str, Any]], outside: int) -> dict[str, Any]:
    """What the table says of edits without so many directions of the outside."""
    mine = [row for row in rows if row.get("outside") == outside]
    beside = np.array([row["beside"] for row in mine])
    inside = np.array([row["inside"] for row in mine])
    return {
        "edits": beside.size,
        "beside": float(beside.mean()),
        "half": interval(beside.mean(1)),
        "held": float(np.mean(beside >= BAR)),
        "inside": float(inside.mean()),
        "rises": float(np.mean([row["rises"] for row in mine])),
    }


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """Tables of the page and its sheet, whose rows bear their names."""
    energy = [
        (row["timestep"], f"{row['mean']:.1%}", f"{row['most']:.1%}", row["digits"])
        for row in rows
        if "timestep" in row
    ]
    edits = []
    for outside in dict.fromkeys(r["outside"] for r in rows if "outside" in r):
        found = summed(rows, outside)
        line = f"{found['beside']:.1f} ± {found['half']:.1f} dB"
        shares = f"{found['held']:.0%}", f"{found['inside']:.2f}"
        edits.append((outside, line, *shares, f"{found['rises']:.0%}"))
    head = ("timestep", "directions with 99 % of the energy", "at most", "digits")
    columns = ("left out", "outside the mask", "at least 25 dB", "inside", "rises")
    sheet = "![rows of digits](images/directions.png)"
    return "\n\n".join([table(head, energy), table(columns, edits), sheet])


def verdict(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the table of systems says of it; the theory of the paper is not here."""
    (whole,) = (row for row in rows if row.get("timestep") == OWN.timestep)
    found = summed(rows, OWN.outside)
    figure = (
        f"editing half: 99 % of the energy in {whole['mean']:.1%} of the directions "
        f"(at most {whole['most']:.1%}); outside the mask {found['beside']:.1f} dB, "
        f"{found['held']:.0%} of edits ≥ 25 dB, inside {found['inside']:.2f} (root "
        f"mean square in [-1, 1]), change along the direction rises with the strength "
        f"in {found['rises']:.0%}; learning of mixtures not built"
    )
    return {"figure": figure, "holds": False}


def measured(of: Mover, ranked: int) -> Iterator[list[dict[str, Any]]]:
    """A row for each timestep and one for each edit: all so far, after each digit."""
    rows: list[dict[str, Any]] = []
    for t in WHOLE:
        found = of.ranks(t, min(ranked, len(of.digits)))
        row = {"timestep": t, "mean": round(float(found.mean()), 4)}
        row |= {"most": round(float(found.max()), 4), "digits": len(found)}
        rows.append(row)
        print(row, flush=True)
    for i in range(len(of.digits)):
        for outside in (0, OWN.outside):
            rows += of.moved(i, outside)
            print(rows[-1], flush=True)
        if i:
            yield rows


def keep(rows: Sequence[dict[str, Any]], of: Mover, docs: Path) -> None:
    """Writes the sheet, the record, the page, the table of systems."""
    save_png(docs / "images" / "directions.png", named_rows(of.rows))
    write_record(docs / "directions.json", rows)
    write_page(docs / "directions.md", "directions", text_of(rows))
    record_system(
        32,
        record=docs / "systems.json",
        page=docs / "systems.md",
        command=COMMAND,
        **verdict(rows),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, draws the sheet, records, writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a model of digits, any way to name one")
    parser.add_argument("--count", type=int, default=16, help="digits that are moved")
    parser.add_argument("--ranked", type=int, default=6, help="digits a timestep")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    of = Mover(words.model, words.count)
    for rows in measured(of, words.ranked):  # kept as it goes
        keep(rows, of, words.docs)


if __name__ == "__main__":
    main()
