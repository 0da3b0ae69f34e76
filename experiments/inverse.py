"""Measures how well solvers restore pictures from measurements: docs/inverse.md.

Held-out photographs and digits, without noise, 100 evaluations of the model for each
result. Weights of each solver were chosen on crops of the training photographs.

Example: python -m experiments.inverse pretrained:photos pretrained:mnist
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.pages import DOCS, read_record, table, write_page, write_record
from experiments.systems import record_system
from pdm_tf.assemble import open_model
from pdm_tf.data.images import save_png, to_float, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import Grid
from pdm_tf.evaluation.metrics import psnr
from pdm_tf.inverse.operators import open_operator
from pdm_tf.inverse.problem import Problem
from pdm_tf.inverse.results import consistency
from pdm_tf.inverse.shelf import SOLVERS

ARGUMENTS = ("pretrained:photos", "pretrained:mnist")
EVALUATIONS = 100
SHOWN = 8
PHOTOS = ("random_mask:0.5", "box:0.5", "downsample:4", "blur:gaussian,1.5")
PHASE = "phase"
LINEAR: dict[str, tuple[str, dict[str, Any]]] = {  # as it is called -> solver, settings
    "red_diff": ("red_diff", {}),
    "dps": ("dps", {"scale": 10.0}),
    "pigdm, paper": ("pigdm", {}),
    "pigdm, posterior": ("pigdm", {"rule": "posterior"}),
    "ddnm": ("ddnm", {}),
    "repaint": ("repaint", {"resamplings": 2, "jump": 5}),
    "ilvr": ("ilvr", {}),
}
OF_PHASES: dict[str, tuple[str, dict[str, Any]]] = {
    "red_diff": ("red_diff", {}),
    "dps": ("dps", {"scale": 3.0}),
}
COMMAND = "python -m pdm_tf.inverse red_diff --model=MODEL --operator=box:0.5 --out=DIR"
REPAINTED = 36  # steps of repaint, which with two passes are 100 evaluations


class Bench(NamedTuple):
    """A model, and pictures that it was not trained on."""

    name: str
    denoise: Denoiser
    pictures: np.ndarray

    @classmethod
    def opened(cls, name: str, path: str, count: int) -> "Bench":
        """The model at a path and `count` pictures, spread over what is held out."""
        model = open_model(path)
        classes = model.denoiser.num_classes
        shape = model.denoiser.image_shape
        source = open_source(name, shape, classes, split="test")
        chosen = np.linspace(0, len(source) - 1, count).astype(int)
        labels = np.full(count, classes, np.int32)
        sampling = model.settings.sampling
        denoise = for_sampling(model.denoiser, labels, 1.0, sampling)
        return cls(name, denoise, source.read(chosen)[0])

    def problem(self, text: str) -> Problem:
        """What an operator measures of all pictures."""
        operator = open_operator(text, self.denoise.image_shape)
        y = operator.measure(to_float(self.pictures), range(len(self.pictures)))
        return Problem(operator, y, self.pictures)

    def solved(
        self, problem: Problem, solver: str, settings: dict[str, Any], steps: int
    ) -> np.ndarray:
        """Results, float32, one for each picture."""
        grid: Grid = self.denoise.schedule.grid(steps)
        module, seeds = SOLVERS[solver], range(len(self.pictures))
        config = module.Config(**settings)
        return module.solve(self.denoise, problem, grid, seeds, config).numpy()


def decibels(made: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """PSNR of each picture of bytes, an exact one counting as 60 dB: [N]."""
    pairs = ((a[None], b[None]) for a, b in zip(made, truth, strict=True))
    return np.array([min(psnr(*pair), 60.0) for pair in pairs])


def aligned(made: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Grey pictures turned and shifted so as to lie on the truth as well as they can.

    What phase retrieval cannot know: a turn by 180 degrees, and shifts over black.
    """
    best = []
    for picture, wanted in zip(made[..., 0], truth[..., 0], strict=True):
        spectrum = np.fft.fft2(wanted.astype(float)).conj()
        found = []
        for turned in (picture, picture[::-1, ::-1]):
            match = np.fft.ifft2(np.fft.fft2(turned.astype(float)) * spectrum).real
            far = np.unravel_index(match.argmax(), match.shape)
            shift = tuple(-int(f) for f in far)
            found.append((match.max(), np.roll(turned, shift, (0, 1))))
        best.append(max(found, key=lambda one: one[0])[1])
    return np.stack(best)[..., None]


def interval(values: np.ndarray) -> float:
    """Half of a 95 % interval of the mean."""
    return float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))


def measured(
    bench: Bench, text: str, solvers: dict[str, tuple[str, dict[str, Any]]], docs: Path
) -> Iterator[dict[str, Any]]:
    """A row for the pseudo-inverse and for each solver; draws the sheet."""
    problem = bench.problem(text)
    back = to_uint8(np.asarray(problem.operator.pinv(problem.y)))
    place = aligned if text == PHASE else lambda made, _: made
    rows = {"picture": bench.pictures, "pseudo-inverse": place(back, bench.pictures)}
    start = decibels(rows["pseudo-inverse"], bench.pictures)
    found = {"pseudo-inverse": start}
    yield _row(bench, text, "pseudo-inverse", start, found)
    for name, (solver, settings) in solvers.items():
        steps = REPAINTED if solver == "repaint" else EVALUATIONS
        x = bench.solved(problem, solver, settings, steps)
        rows[name] = place(to_uint8(x), bench.pictures)
        found[name] = decibels(rows[name], bench.pictures)
        left = float(np.mean(consistency(problem, x)))
        row = _row(bench, text, name, found[name], found)
        row |= {"consistency": round(left, 4), "settings": settings}
        print(row, flush=True)
        yield row
    sheet = named_rows({name: row[:SHOWN] for name, row in rows.items()})
    name = text.partition(":")[0]
    save_png(docs / "images" / f"inverse_{name}.png", sheet)


def _row(
    bench: Bench, text: str, name: str, each: np.ndarray, found: dict[str, np.ndarray]
) -> dict[str, Any]:
    row: dict[str, Any] = {"data": bench.name, "operator": text, "solver": name}
    row |= {"count": len(each), "psnr": round(float(each.mean()), 2)}
    row["interval"] = round(interval(each), 2)
    if name not in ("pseudo-inverse", "red_diff"):
        ahead = found["red_diff"] - each  # of the same pictures
        row["red_diff_ahead"] = round(float(ahead.mean()), 2)
        row["ahead_interval"] = round(interval(ahead), 2)
    return row


def timed(bench: Bench, rounds: int = 2) -> list[dict[str, Any]]:
    """Processor seconds of a step of all pictures, in turns; tracing is left out."""
    problem = bench.problem(PHOTOS[0])
    spent: dict[str, list[float]] = {"red_diff": [], "dps": []}
    for _ in range(rounds):
        for name, values in spent.items():
            solver, settings = LINEAR[name]
            took = []
            for steps in (10, 70):
                began = time.process_time()
                bench.solved(problem, solver, settings, steps)
                took.append(time.process_time() - began)
            values.append((took[1] - took[0]) / 60)
            print(name, took, flush=True)
    base = np.median(spent["dps"])
    return [
        {
            "data": bench.name,
            "solver": name,
            "seconds_a_step": round(float(np.median(values)), 5),
            "of_dps": round(float(np.median(values) / base), 3),
        }
        for name, values in spent.items()
    ]


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """Tables and sheets of the page."""
    restored = [row for row in rows if "psnr" in row]
    times = ("solver", "processor time of a step, all pictures [ms]", "of dps")
    header = ("operator", "solver", "PSNR [dB]", "RED-diff ahead [dB]", "consistency")
    cells = [_cells(row) for row in restored]
    costs = [
        (row["solver"], f"{1000 * row['seconds_a_step']:.1f}", f"{row['of_dps']:.2f}")
        for row in rows
        if "of_dps" in row
    ]
    counts = {row["data"]: row["count"] for row in restored}
    said = ", ".join(f"{count} of {data}" for data, count in counts.items())
    names = dict.fromkeys(row["operator"].partition(":")[0] for row in restored)
    sheets = [f"![{name}](images/inverse_{name}.png)" for name in names]
    return "\n\n".join(
        [
            f"Held-out pictures: {said}; intervals of 95 %, differences of the same "
            "pictures.",
            table(header, cells),
            *([table(times, costs)] if costs else []),
            "Sheets: pictures, pseudo-inverse, then the solvers as in the table.",
            *sheets,
        ]
    )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    ahead = ""
    if "red_diff_ahead" in row:
        ahead = f"{row['red_diff_ahead']:+.2f} ± {row['ahead_interval']:.2f}"
    settings = ", ".join(f"{k} {v}" for k, v in row.get("settings", {}).items())
    name = row["solver"] + (f" ({settings})" if settings else "")
    psnr_text = f"{row['psnr']:.2f} ± {row['interval']:.2f}"
    left = f"{row['consistency']:.4f}" if "consistency" in row else ""
    return f"`{row['operator']}`", name, psnr_text, ahead, left


def verdict(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the table of systems says of RED-diff: figure, and whether the bar holds."""
    ahead = {
        (row["operator"], row["solver"]): row["red_diff_ahead"]
        for row in rows
        if "red_diff_ahead" in row
    }
    least = {}
    for text in dict.fromkeys(text for text, _ in ahead):
        dps = ahead[text, "dps"]
        others = [v for (t, name), v in ahead.items() if t == text and "pigdm" in name]
        least[text] = (dps, min(others, default=None))
    cost = next(row["of_dps"] for row in rows if row["solver"] == "red_diff")
    said = "; ".join(
        f"{text}: {dps:+.1f} dB on DPS"
        + ("" if other is None else f", {other:+.1f} on PiGDM")
        for text, (dps, other) in least.items()
    )
    holds = cost <= 0.6 and all(
        dps >= 0 and (other is None or other >= -0.2) for dps, other in least.values()
    )
    return {"figure": f"{said}; a step takes {cost:.2f} of DPS'", "holds": holds}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, draws the sheets, records as it goes, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", help="a model of photographs")
    parser.add_argument("digits", help="a model of digits")
    parser.add_argument("--count", type=int, default=8, help="pictures of each kind")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    parser.add_argument("--only", default="", help="operators, joined by ;")
    parser.add_argument("--again", action="store_true", help="measure what is there")
    words = parser.parse_args(argv)
    record = words.docs / "inverse.json"
    rows = [] if words.again else read_record(record)
    there = {row.get("operator", "times") for row in rows}
    names = words.only.split(";") if words.only else ["times", *PHOTOS, PHASE]
    for name in [name for name in names if name not in there]:
        digits = name == PHASE
        path = words.digits if digits else words.photos
        bench = Bench.opened("mnist" if digits else "photos", path, words.count)
        found = timed(bench) if name == "times" else None
        solvers = OF_PHASES if digits else LINEAR
        made = found or list(measured(bench, name, solvers, words.docs))
        rows += made
        write_record(record, rows)  # a stopped measurement goes on with the next
    write_page(words.docs / "inverse.md", "inverse", text_of(rows))
    if {"times", *PHOTOS, PHASE} <= {row.get("operator", "times") for row in rows}:
        record_system(
            28,
            record=words.docs / "systems.json",
            page=words.docs / "systems.md",
            command=COMMAND,
            **verdict(rows),
        )


if __name__ == "__main__":
    main()
