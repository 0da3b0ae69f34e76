"""Which prediction survives large patches, on two networks: docs/predictions.md.

Every cell is trained for the same number of operations, what is missing below a folder.
Stopped, it goes on where it was; --cells N makes the next N and stops.

Example: python -m experiments.predictions runs/predictions
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.digits import SHAPE, TrainingDigits, sample_digits
from experiments.pages import DOCS, read_record, table, write_page, write_record
from pdm_tf import assemble
from pdm_tf.assemble import open_model
from pdm_tf.assemble.building import build_network
from pdm_tf.config import (
    Config,
    DiffusionConfig,
    SamplingConfig,
    TrainingConfig,
    TransformerConfig,
    UNetConfig,
)
from pdm_tf.config.options import Architecture, Prediction
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.profiling.flops import count_denoise_flops
from pdm_tf.samplers import DDIM

ARGUMENTS = ("runs/predictions",)
COST = 1.5e12  # operations of a cell's training
PATCHES = (8, 16, 4)
BATCH, STEPS, SHOWN = 64, 25, 20
BACK = 2  # operations on the way back are twice those there


class Cell(NamedTuple):
    """What is trained."""

    network: Architecture
    patch: int
    prediction: Prediction

    @property
    def name(self) -> str:
        return f"{self.network}_p{self.patch}_{self.prediction}"


def cells(patches: Sequence[int]) -> list[Cell]:
    """All, those of one patch size beside each other."""
    return [
        Cell(network, patch, prediction)
        for patch in patches
        for network in get_args(Architecture)
        for prediction in get_args(Prediction)
    ]


def settings_of(cell: Cell, folder: Path, cost: float) -> Config:
    """A training of so many operations; all but the cell's own is alike."""
    network = UNetConfig(
        image_shape=SHAPE,
        patch_size=cell.patch,
        num_classes=10,
        width=32,
        channel_multipliers=(1.0, 2.0),
        blocks_per_level=1,
        attention_levels=(1,),
        architecture=cell.network,
    )
    transformer = TransformerConfig(
        hidden_size=96,
        depth=4,
        num_heads=4,
        bottleneck=32,
        context_tokens=2,
        context_start=1,
    )
    config = Config(
        network=network,
        transformer=transformer,
        diffusion=DiffusionConfig(prediction=cell.prediction, weighting="sqrt_snr"),
        sampling=SamplingConfig(thresholding="static"),
    )
    flops = count_denoise_flops(build_network(config), SHAPE) or 1
    training = TrainingConfig(
        run_dir=str(folder / cell.name),
        iterations=round(cost / ((1 + BACK) * flops * BATCH)),
        batch_size=BATCH,
        learning_rate=2e-3,
        warmup=100,
        ema_every=1,
        sample_every=0,
        save_every=100_000,
        keep=1,
        export=False,
    )
    return Config(
        network=network,
        transformer=transformer,
        diffusion=config.diffusion,
        sampling=config.sampling,
        training=training,
    )


def measure(cell: Cell, config: Config, real: Any, count: int) -> dict[str, Any]:
    """A row of the table; the sheet of its first digits goes beside the run."""
    denoise = open_model(config.training.run_dir).denoiser
    pictures, labels, _ = sample_digits(denoise, count, STEPS, sampler=DDIM())
    sheet = contact_sheet(pictures[:SHOWN], SHOWN)
    save_png(Path(config.training.run_dir) / "digits.png", sheet)
    found = real.compare(pictures, labels)
    low, high = _share_within(found.accuracy, count)
    return {
        **cell._asdict(),
        "iterations": config.training.iterations,
        "count": count,
        "accuracy": found.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "distance": found.distance,
    }


def _share_within(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of so many."""
    z = 1.96
    middle = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    whole = 1 + z**2 / count
    return float((middle - half) / whole), float((middle + half) / whole)


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    header = ("network", "patch", "prediction", "steps", "recognised", "interval")
    return table(
        (*header, "FD (digits)"),
        (
            (
                row["network"],
                row["patch"],
                row["prediction"],
                f"{row['iterations']:,}",
                f"{row['accuracy']:.1%}",
                f"{row['accuracy_low']:.1%} to {row['accuracy_high']:.1%}",
                f"{row['distance']:.1f}",
            )
            for row in rows
        ),
    )


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Recognised digits over the patch size, a line for each network and prediction."""
    figure = Figure(figsize=(6.0, 3.2), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    colours = dict(zip(get_args(Prediction), ("C0", "C1", "C2"), strict=True))
    for network, style in zip(get_args(Architecture), ("o-", "s--"), strict=True):
        for prediction, colour in colours.items():
            own = sorted(
                (row["patch"], row["accuracy"])
                for row in rows
                if (row["network"], row["prediction"]) == (network, prediction)
            )
            if own:
                label = f"{network}, {prediction}"
                axes.plot(*zip(*own, strict=True), style, color=colour, label=label)
    axes.set(xlabel="side of a patch", ylabel="recognised", ylim=(0, 1.02))
    axes.set_xscale("log", base=2)
    sides = sorted({row["patch"] for row in rows})
    axes.set_xticks(sides, [str(side) for side in sides])
    axes.legend(fontsize=8)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    save_png(path, np.asarray(canvas.buffer_rgba())[..., :3].copy())


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, records after every cell, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the runs go")
    parser.add_argument("--cost", type=float, default=COST, help="operations a cell")
    parser.add_argument("--patches", type=int, nargs="*", default=PATCHES)
    parser.add_argument("--count", type=int, default=300, help="digits a cell")
    parser.add_argument("--cells", type=int, default=-1, help="at most; -1: all")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    record = words.docs / "predictions.json"
    rows = read_record(record)
    known = {(row["network"], row["patch"], row["prediction"]) for row in rows}
    missing = [cell for cell in cells(words.patches) if tuple(cell) not in known]
    chosen = missing[: words.cells if words.cells >= 0 else None]
    real = TrainingDigits() if chosen else None
    for cell in chosen:
        config = settings_of(cell, words.folder, words.cost)
        if not assemble.train(config):
            raise SystemExit(130)  # Ctrl-C; the same command goes on
        rows.append(measure(cell, config, real, words.count))
        print(rows[-1], flush=True)
        write_record(record, rows)
        tf.keras.backend.clear_session()
    draw(rows, words.docs / "images" / "predictions.png")
    write_page(words.docs / "predictions.md", "predictions", text_of(rows))


if __name__ == "__main__":
    main()
