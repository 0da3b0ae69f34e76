"""Which prediction survives large patches, on two networks: docs/predictions.md.

Every cell is trained for the same number of operations, what is missing below a folder.
Stopped, it goes on where it was; --cells N makes the next N and stops.

Example: python -m experiments.predictions runs/predictions
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.digits import TrainingDigits, sample_digits
from experiments.pages import DOCS, read_record, table, write_page, write_record
from experiments.prediction_cells import COST, DATA, PATCHES, Cell, cells, settings_of
from pdm_tf import assemble
from pdm_tf.assemble import open_model
from pdm_tf.config import Config, SamplingConfig
from pdm_tf.config.options import Architecture, Prediction
from pdm_tf.data.images import contact_sheet, save_png, to_uint8
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.evaluation.bootstrap import frechet_with_interval
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics import gaussian_of
from pdm_tf.samplers import DDIM, sample

ARGUMENTS = ("runs/predictions",)
STEPS, SHOWN, BATCH = 25, 20, 100
CROPS = 4000  # of the photographs, that samples are compared with


class DigitJudge:
    """Digits as the classes asked for, and their distance to the training digits."""

    def __init__(self, count: int) -> None:
        self.count, self.real = count, TrainingDigits()

    def __call__(self, denoise: Denoiser) -> tuple[np.ndarray, dict[str, Any]]:
        """Pictures, and what a row says of them."""
        pictures, labels, _ = sample_digits(denoise, self.count, STEPS, sampler=DDIM())
        found = self.real.compare(pictures, labels)
        low, high = _share_within(found.accuracy, self.count)
        return pictures, {
            "accuracy": found.accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
            "distance": found.distance,
        }


class PhotoJudge:
    """The distance to crops of the photographs, which have no classes."""

    def __init__(self, count: int) -> None:
        self.count, self.extract = count, open_features("random")
        source = open_source("photos", DATA["photographs"].image_shape)
        chosen = np.linspace(0, len(source) - 1, CROPS).astype(int)
        self.real = gaussian_of(source.read(chosen)[0], self.extract)

    def __call__(self, denoise: Denoiser) -> tuple[np.ndarray, dict[str, Any]]:
        """Pictures, and what a row says of them."""
        none = np.zeros([BATCH], np.int32)
        static = SamplingConfig(thresholding="static")
        ready = for_sampling(denoise.with_constant_weights(), none, 1.0, static)
        grid, shape = denoise.schedule.grid(STEPS), denoise.image_shape
        made = [
            to_uint8(sample(ready, DDIM(), grid, range(n, n + BATCH), shape)).numpy()
            for n in range(0, self.count, BATCH)
        ]
        pictures = np.concatenate(made)
        found = frechet_with_interval(pictures, self.real, self.extract)
        return pictures, {
            "distance": found.value,
            "distance_low": found.low,
            "distance_high": found.high,
        }


JUDGES = {"digits": DigitJudge, "photographs": PhotoJudge}


def _share_within(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of so many."""
    z = 1.96
    middle = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    whole = 1 + z**2 / count
    return float((middle - half) / whole), float((middle + half) / whole)


def measure(cell: Cell, config: Config, judge: Any) -> dict[str, Any]:
    """A row of the table; the sheet of its first pictures goes beside the run."""
    run_dir = Path(config.training.run_dir)
    pictures, found = judge(open_model(str(run_dir)).denoiser)
    save_png(run_dir / "samples.png", contact_sheet(pictures[:SHOWN], SHOWN))
    iterations = config.training.iterations
    return {**cell._asdict(), "iterations": iterations, "count": len(pictures), **found}


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The tables of the page, one of each data set."""
    parts = []
    for data in DATA:
        own = [row for row in rows if row["data"] == data]
        if own:
            parts.append(f"### {data.capitalize()}\n\n{_table(data, own)}")
    return "\n\n".join(parts)


def _table(data: str, rows: Sequence[dict[str, Any]]) -> str:
    header = ["network", "patch", "prediction", "steps"]
    if data == "digits":
        header += ["recognised", "interval", "FD (digits)"]
    else:
        header += ["FD (random features)", "interval"]
    return table(header, ([*_named(row), *_found(row)] for row in rows))


def _named(row: dict[str, Any]) -> list[str]:
    named = [str(row[key]) for key in ("network", "patch", "prediction")]
    return [*named, f"{row['iterations']:,}"]


def _found(row: dict[str, Any]) -> list[str]:
    if row["data"] == "digits":
        return [
            f"{row['accuracy']:.1%}",
            f"{row['accuracy_low']:.1%} to {row['accuracy_high']:.1%}",
            f"{row['distance']:.1f}",
        ]
    ends = f"{row['distance_low']:.2f} to {row['distance_high']:.2f}"
    return [f"{row['distance']:.2f}", ends]


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Digits that are read, and distances of photographs, over the patch size."""
    figure = Figure(figsize=(10.0, 3.2), dpi=100, layout="constrained")
    digits, photographs = figure.subplots(1, 2)
    _lines(digits, rows, "digits", "accuracy")
    digits.set(ylabel="digits recognised", ylim=(0, 1.02))
    _lines(photographs, rows, "photographs", "distance")
    photographs.set(ylabel="Fréchet distance of photographs", yscale="log")
    digits.legend(fontsize=8)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    save_png(path, np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _lines(axes: Axes, rows: Sequence[dict[str, Any]], data: str, key: str) -> None:
    """A line for each network and prediction."""
    rows = [row for row in rows if row["data"] == data]
    colours = dict(zip(get_args(Prediction), ("C0", "C1", "C2"), strict=True))
    for network, style in zip(get_args(Architecture), ("o-", "s--"), strict=True):
        for prediction, colour in colours.items():
            own = sorted(
                (row["patch"], row[key])
                for row in rows
                if (row["network"], row["prediction"]) == (network, prediction)
            )
            if own:
                label = f"{network}, {prediction}"
                axes.plot(*zip(*own, strict=True), style, color=colour, label=label)
    axes.set_xscale("log", base=2)
    sides = sorted({row["patch"] for row in rows})
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.set_xlabel("side of a patch")


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, records after every cell, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the runs go")
    parser.add_argument("--data", nargs="*", choices=[*DATA], default=list(DATA))
    parser.add_argument("--cost", type=float, default=COST, help="operations a cell")
    parser.add_argument("--patches", type=int, nargs="*", default=PATCHES)
    parser.add_argument("--count", type=int, default=0, help="pictures a cell")
    parser.add_argument("--cells", type=int, default=-1, help="at most; -1: all")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    record = words.docs / "predictions.json"
    rows = read_record(record)
    known = {tuple(row[key] for key in Cell._fields) for row in rows}
    missing = [c for c in cells(words.data, words.patches) if tuple(c) not in known]
    judges: dict[str, Any] = {}
    for cell in missing[: words.cells if words.cells >= 0 else None]:
        if cell.data not in judges:
            count = words.count or DATA[cell.data].samples
            judges[cell.data] = JUDGES[cell.data](count)
        config = settings_of(cell, words.folder, words.cost)
        if not assemble.train(config):
            raise SystemExit(130)  # Ctrl-C; the same command goes on
        rows.append(measure(cell, config, judges[cell.data]))
        print(rows[-1], flush=True)
        write_record(record, rows)
        tf.keras.backend.clear_session()
    draw(rows, words.docs / "images" / "predictions.png")
    write_page(words.docs / "predictions.md", "predictions", text_of(rows))


if __name__ == "__main__":
    main()
