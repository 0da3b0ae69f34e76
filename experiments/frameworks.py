"""Compares DDPM, Langevin dynamics and the reverse equation: docs/frameworks.md.

The three frameworks of a survey of medical imaging (arXiv 2211.07804), on one model
each: on normal data, in reconstruction, in translation, in the detection of anomalies.

Example: python -m experiments.frameworks runs/mnist-without-4 4
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from skimage.data import shepp_logan_phantom

from experiments.inverse import Bench, decibels, interval
from experiments.pages import DOCS, read_record, table, write_page, write_record
from experiments.systems import record_system
from pdm_tf.assemble import open_model
from pdm_tf.data.images import save_png, to_float, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser, Prediction
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import Grid, NoiseLevel, NoiseSchedule
from pdm_tf.editing.anomaly import anomaly_map
from pdm_tf.editing.sdedit import sdedit
from pdm_tf.evaluation.metrics import accuracy, auroc
from pdm_tf.samplers import open_sampler, sample

ARGUMENTS = ("runs/mnist-without-4", "4")
NAMES = ("ddpm", "reverse_sde", "langevin")
STEPS, GRID, LEVELS = 100, 50, 1000
ORACLE_PICTURES, STANDARD_ERRORS = 4000, 3.0
STRENGTH, DRAWS = 0.35, 4  # of anomalies, chosen on training digits
MOVED, WEIGHT = 0.6, 1.5  # strength and guidance of translations
ROWS = "fourier_rows:0.25"
DETECTED, GAINED, SHOWN = 0.80, 3.0, 8
HEADER = (
    "",
    "normal data: mean, covariance off [standard errors]",
    "reconstruction [dB] (on zero-filled)",
    "translation: as asked, PSNR [dB]",
    "anomalies: AUROC",
)
COMMAND = "python -m pdm_tf.editing anomaly --model=MODEL --image=a.png --out=DIR"


class Oracle(Denoiser):
    """The exact denoiser of two pixels, normal, mean m and covariance C."""

    image_shape, num_classes = (1, 2, 1), 0
    mean = np.array([0.3, -0.2], np.float32)
    covariance = np.array([[0.30, 0.15], [0.15, 0.20]], np.float32)

    def __init__(self) -> None:
        self.schedule = NoiseSchedule.linear()
        self.values, self.axes = np.linalg.eigh(self.covariance)

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        a, signal = level.alpha, level.signal
        flat = tf.reshape(z, [-1, 2]) - signal * self.mean
        gains = signal * self.values / (a * self.values + 1.0 - a)
        x = tf.reshape(
            self.mean + (flat @ self.axes * gains) @ self.axes.T, tf.shape(z)
        )
        return Prediction(x, tf.ones_like(x))


def grid_of(name: str, schedule: NoiseSchedule, steps: int) -> Grid:
    """So many levels; for Langevin dynamics, which settle slowly, each thrice."""
    grid = schedule.grid(steps)
    if name != "langevin":
        return grid
    return Grid(*(tf.repeat(levels, 3) for levels in grid))


def of_oracle(name: str) -> dict[str, Any]:
    """Largest errors of mean and covariance, in standard errors."""
    oracle = Oracle()
    grid = grid_of(name, oracle.schedule, LEVELS)
    sampler, seeds = open_sampler(name, "small"), range(ORACLE_PICTURES)
    x = sample(oracle, sampler, grid, seeds, oracle.image_shape).numpy().reshape(-1, 2)
    c = oracle.covariance
    error = np.sqrt(np.diag(c) / len(x))
    errors = np.sqrt((c**2 + np.outer(np.diag(c), np.diag(c))) / len(x))
    off = np.abs(x.mean(0) - oracle.mean) / error
    spread = np.abs(np.cov(x.T) - c) / errors
    return {"oracle": name, "mean": float(off.max()), "covariance": float(spread.max())}


def reconstructed(name: str, count: int) -> dict[str, Any]:
    """Digits from a quarter of the rows of their Fourier transform, by DDNM."""
    bench = Bench.opened("mnist", "pretrained:mnist", count)
    problem = bench.problem(ROWS)
    x = bench.solved(problem, "ddnm", {"sampler": name}, STEPS)
    filled = np.asarray(problem.operator.pinv(tf.constant(problem.y)))
    found = [decibels(np.asarray(to_uint8(v)), bench.pictures) for v in (x, filled)]
    gain = found[0] - found[1]
    row = {"reconstruction": name, "psnr": float(found[0].mean())}
    return row | {"gain": float(gain.mean()), "interval": interval(gain)}


def translated(name: str, count: int) -> dict[str, Any]:
    """Share of digits that are read as the next class after noise and back."""
    model = open_model("pretrained:mnist")
    source = open_source("mnist", model.denoiser.image_shape, 10, "test")
    digits, labels = source.read(np.arange(count))
    wanted = (labels + 1) % 10
    given = wanted, WEIGHT, model.settings.sampling
    denoise = for_sampling(model.denoiser, *given)
    grid, seeds = grid_of(name, denoise.schedule, GRID), range(count)
    picture = to_float(digits)
    x = sdedit(denoise, open_sampler(name), grid, seeds, picture, MOVED)
    made = np.asarray(to_uint8(x))
    row = {"translation": name, "strength": MOVED, "share": accuracy(made, wanted)}
    return row | {"psnr": float(decibels(made, digits).mean()), "count": count}


def detected(name: str, path: str, digit: int, ordinary: int) -> dict[str, Any]:
    """AUROC of a digit that the model never saw, among held-out others."""
    model = open_model(path)
    source = open_source("mnist", model.denoiser.image_shape, 0, "test")
    digits, labels = source.read(np.arange(len(source)))
    others = np.flatnonzero(labels != digit)[:ordinary]
    chosen = np.concatenate([np.flatnonzero(labels == digit), others])
    pictures, strange = to_float(digits[chosen]), labels[chosen] == digit
    null = np.full(len(chosen), model.denoiser.num_classes, np.int32)
    denoise = for_sampling(model.denoiser, null, 1.0, model.settings.sampling)
    grid = grid_of(name, denoise.schedule, GRID)
    sampler, seeds = open_sampler(name), DRAWS * np.arange(len(chosen))
    given = denoise, sampler, grid, seeds, pictures, STRENGTH, DRAWS
    maps = anomaly_map(*given).numpy()
    ink = np.mean(pictures + 1.0, (1, 2, 3))  # of which thin digits have little
    scores = np.square(maps).mean((1, 2, 3)) / ink
    rng, area = np.random.default_rng(0), auroc(scores, strange)
    drawn = (rng.integers(0, len(scores), len(scores)) for _ in range(400))
    low, high = np.quantile(
        [auroc(scores[i], strange[i]) for i in drawn], [0.025, 0.975]
    )
    row = {"anomaly": name, "digit": digit, "auroc": area, "low": float(low)}
    row["plain"] = auroc(maps.mean((1, 2, 3)), strange)
    row |= {"high": float(high), "strange": int(strange.sum()), "ordinary": len(others)}
    if name == NAMES[0]:
        shown = [*range(SHOWN // 2), *range(len(maps) - SHOWN // 2, len(maps))]
        seen = np.asarray(to_uint8(maps[shown] - 1.0))
        rows = {"picture": digits[chosen[shown]], "map": seen}
        row["sheet"] = rows
    return row


def phantom() -> dict[str, Any]:
    """The phantom of Shepp and Logan from a quarter of the rows, by RED-diff."""
    bench = Bench.opened("photos", "pretrained:photos", 1)
    side, _, channels = bench.denoise.image_shape
    whole = tf.constant(shepp_logan_phantom()[None, ..., None], tf.float32)
    small = tf.image.resize(whole, [side, side], antialias=True).numpy()
    picture = np.clip(np.round(255 * small), 0, 255).astype(np.uint8)
    bench = bench._replace(pictures=np.repeat(picture, channels, axis=-1))
    picture, problem = bench.pictures, bench.problem(ROWS)
    filled = np.asarray(problem.operator.pinv(tf.constant(problem.y)))
    row: dict[str, Any] = {"phantom": "red_diff"}
    row["filled"] = float(decibels(np.asarray(to_uint8(filled)), picture)[0])
    x = bench.solved(problem, "red_diff", {}, STEPS)
    return row | {"psnr": float(decibels(np.asarray(to_uint8(x)), picture)[0])}


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """Tables and the sheet of the page."""
    of = {kind: {r[kind]: r for r in rows if kind in r} for kind in KINDS}
    cells = [
        (f"`{name}`", *(_cell(kind, of[kind].get(name)) for kind in KINDS[:4]))
        for name in NAMES
    ]
    odd, made = of["anomaly"][NAMES[0]], of["phantom"]["red_diff"]
    return "\n\n".join(
        [
            table(HEADER, cells),
            f"Anomalies are {odd['strange']} digits {odd['digit']}, of which the "
            f"model has seen none, among {odd['ordinary']} others, all held out; "
            "intervals of 95 %, of resampled digits. The score is the mean square of "
            "the map by the ink of the digit; the map's mean alone gives "
            f"{odd['plain']:.3f} by DDPM.",
            f"The phantom of Shepp and Logan, `{ROWS}`, `red_diff` with the model of "
            f"photographs: {made['psnr']:.1f} dB; zero-filled {made['filled']:.1f} dB.",
            "![digits, four of the unseen class first; maps](images/anomaly.png)",
        ]
    )


def _cell(kind: str, row: dict[str, Any] | None) -> str:
    """What a table says of one kind of task; nothing where it is not measured."""
    if row is None:
        return ""
    if kind == "oracle":
        return f"{row['mean']:.1f}, {row['covariance']:.1f}"
    if kind == "reconstruction":
        return f"{row['psnr']:.1f} ({row['gain']:+.1f} ± {row['interval']:.1f})"
    if kind == "translation":
        return f"{row['share']:.0%}, {row['psnr']:.1f}"
    return f"{row['auroc']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def verdict(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the table of systems says: figure, and whether the bar holds."""
    odd = {r["anomaly"]: r["auroc"] for r in rows if "anomaly" in r}
    exact = [max(r["mean"], r["covariance"]) for r in rows if "oracle" in r]
    made = next(r for r in rows if "phantom" in r)
    gain = made["psnr"] - made["filled"]
    areas = ", ".join(f"{area:.2f} by {name}" for name, area in odd.items())
    figure = (
        f"AUROC {areas}; phantom {gain:+.1f} dB on zero-filled; on normal data all "
        f"within {max(exact):.1f} standard errors"
    )
    holds = odd[NAMES[0]] >= DETECTED and gain >= GAINED
    return {"figure": figure, "holds": holds and max(exact) <= STANDARD_ERRORS}


KINDS = ("oracle", "reconstruction", "translation", "anomaly", "phantom")


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, draws the sheet, records as it goes, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model of all digits but one")
    parser.add_argument("digit", type=int, help="which one")
    parser.add_argument("--count", type=int, default=50, help="digits of each task")
    parser.add_argument("--ordinary", type=int, default=200, help="digits it has seen")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    record = words.docs / "frameworks.json"
    rows = read_record(record)
    measures: dict[str, Callable[[str], dict[str, Any]]] = {
        "phantom": lambda _: phantom(),
        "anomaly": lambda n: detected(n, words.model, words.digit, words.ordinary),
        "oracle": of_oracle,
        "reconstruction": lambda name: reconstructed(name, words.count),
        "translation": lambda name: translated(name, words.count),
    }
    for kind, measure in measures.items():
        for name in NAMES if kind != "phantom" else ("red_diff",):
            if any(row.get(kind) == name for row in rows):
                continue
            row = measure(name)
            if "sheet" in row:
                sheet = named_rows(row.pop("sheet"))
                save_png(words.docs / "images" / "anomaly.png", sheet)
            print(row, flush=True)
            rows.append(row)
            write_record(record, rows)  # a stopped measurement goes on with the next
    write_page(words.docs / "frameworks.md", "frameworks", text_of(rows))
    record_system(
        14,
        record=words.docs / "systems.json",
        page=words.docs / "systems.md",
        command=COMMAND,
        **verdict(rows),
    )


if __name__ == "__main__":
    main()
