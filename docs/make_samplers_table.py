"""Writes docs/samplers.md and its curve: what every sampler makes of few steps.

Stopped, it goes on where it was: figures are kept in samplers.json of the run.

Example: python docs/make_samplers_table.py runs/mnist
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from measuring import features_of

import pdm_tf as pdm
from pdm_tf.assemble import record_of
from pdm_tf.data.images import to_uint8
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser, Prediction, RememberingDenoiser
from pdm_tf.denoisers.guidance import steered
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.evaluation.bootstrap import draw_weights, interval
from pdm_tf.evaluation.frechet import frechet_distance
from pdm_tf.evaluation.moments import Moments, merged
from pdm_tf.samplers import SAMPLERS, sample

STEPS = (5, 10, 15, 20, 25, 50, 100, 250)
SPACINGS = ("uniform", "log_snr", "karras", "quadratic")
FEW = (10, 20)  # steps at which all spacings are compared
BATCH, GROUPS, GUIDANCE = 100, 50, 1.5
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """What was measured of a sampler on a grid."""

    sampler: str
    spacing: str
    steps: int
    evaluations: float  # for one picture, both halves of guidance counted as one
    distance: float  # FD against the training pictures
    low: float  # its 95 % interval
    high: float
    outliers: float  # share of pixels more than 0.05 beyond [-1, 1], before clipping
    seconds: float  # for one picture


class Counted(RememberingDenoiser):
    """Counts calls, and in place of beliefs draws their number at the end."""

    def __init__(self, denoise: Denoiser) -> None:
        self.denoise, self.image_shape = denoise, denoise.image_shape

    def memory(self, z: tf.Tensor) -> tuple:
        return self.denoise.memory(z), tf.zeros(tf.shape(z)[:1])

    def recall(
        self, z: tf.Tensor, level: NoiseLevel, memory: tuple
    ) -> tuple[Prediction, tuple]:
        inner, calls = memory
        (x, variance), inner = self.denoise.recall(z, level, inner)
        calls += 1.0
        told = 0.0 * x + calls[:, None, None, None]
        return Prediction(told, variance), (inner, calls)


def count_evaluations(denoise: Denoiser, name: str, steps: int) -> float:
    """Calls of the denoiser for one picture."""
    grid = denoise.schedule.grid(steps)
    x = sample(Counted(denoise), SAMPLERS[name](), grid, [0], denoise.image_shape)
    return float(x[0, 0, 0, 0])


class Bench:
    """A run's denoiser and the pictures it was trained on, ready to measure."""

    def __init__(self, run_dir: str, count: int) -> None:
        self.count, self.file = count, Path(run_dir) / "samplers.json"
        denoise = pdm.restore(run_dir)
        labels = np.arange(BATCH) % denoise.num_classes
        # Without a threshold, or it would hide how far a sampler overshoots.
        self.bare = pdm.guided(denoise, labels, GUIDANCE, threshold=None)
        settings = record_of(run_dir).sampling
        self.guided = steered(denoise, labels, GUIDANCE, settings)
        source = open_source("mnist", denoise.image_shape, denoise.num_classes)
        real, _ = source.read(np.arange(len(source)))
        self.real = Moments.of(features_of(real).pooled).gaussian()
        found = json.loads(self.file.read_text()) if self.file.exists() else []
        self.rows = [Row(**row) for row in found]

    def row(self, name: str, spacing: str, steps: int) -> Row:
        """Measures, or remembers."""
        for row in self.rows:
            if (row.sampler, row.spacing, row.steps) == (name, spacing, steps):
                return row
        x, seconds = self._draw(self.guided, name, spacing, steps, self.count)
        overshot, _ = self._draw(self.bare, name, spacing, steps, BATCH)
        row = Row(
            name,
            spacing,
            steps,
            count_evaluations(self.bare.denoise, name, steps),
            *self._distance(to_uint8(x)),
            outliers=float(np.mean(np.abs(overshot) > 1.05)),
            seconds=seconds,
        )
        self.rows.append(row)
        text = json.dumps([asdict(row) for row in self.rows], indent=1)
        self.file.write_text(text)
        print(row, flush=True)
        return row

    def _draw(
        self, denoise: Denoiser, name: str, spacing: str, steps: int, count: int
    ) -> tuple[np.ndarray, float]:
        """Pictures float32, and seconds for each without the time of tracing."""
        grid = denoise.schedule.grid(steps, spacing)
        drawn, clock = [], []
        for first in range(0, count, BATCH):
            begun = time.perf_counter()
            seeds = range(first, first + BATCH)
            x = sample(denoise, SAMPLERS[name](), grid, seeds, denoise.image_shape)
            drawn.append(x.numpy())
            clock.append(time.perf_counter() - begun)
        return np.concatenate(drawn), float(np.median(clock[1:] or clock)) / BATCH

    def _distance(self, pictures: np.ndarray) -> tuple[float, float, float]:
        """FD and its interval, by resampling groups of pictures."""
        pooled = features_of(pictures).pooled
        parts = [Moments.of(rows) for rows in np.array_split(pooled, GROUPS)]

        def distance(weights: np.ndarray | None = None) -> float:
            return frechet_distance(merged(parts, weights).gaussian(), self.real)

        again = [distance(w) for w in draw_weights(GROUPS, 200, seed=0)]
        figure = interval(distance(), again, GROUPS)
        return figure.value, figure.low or 0.0, figure.high or 0.0


def plot(rows: list[Row], goal: float) -> None:
    """The distance over evaluations, for each sampler."""
    figure, axes = plt.subplots(figsize=(7, 4.5), constrained_layout=True)
    for name in SAMPLERS:
        mine = [row for row in rows if row.sampler == name]
        x, y = [row.evaluations for row in mine], [row.distance for row in mine]
        axes.plot(x, y, marker=".", label=name)
    axes.axhline(goal, color="grey", linestyle=":", label="DDPM at 250, + 10 %")
    axes.set(xscale="log", yscale="log", xlabel="evaluations", ylabel="FD (digits)")
    axes.legend(fontsize=8)
    figure.savefig(HERE / "images" / "samplers.png", dpi=150)


def table(rows: list[Row]) -> Iterator[str]:
    """The rows as Markdown."""
    yield "| sampler | spacing | steps | evaluations | FD (digits) | outliers | s |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        yield (
            f"| {row.sampler} | {row.spacing} | {row.steps} | {row.evaluations:.0f} | "
            f"{row.distance:.2f} ({row.low:.2f} to {row.high:.2f}) | "
            f"{row.outliers:.2%} | {row.seconds:.4f} |"
        )


def main(run_dir: str, count: str = "1000") -> None:
    """Measures every sampler at every number of steps, and every spacing at few."""
    bench = Bench(run_dir, int(count))
    (HERE / "images").mkdir(exist_ok=True)
    few = [bench.row(n, g, s) for n in SAMPLERS for g in SPACINGS for s in FEW]
    rows = [bench.row(n, "uniform", s) for n in SAMPLERS for s in STEPS]
    goal = 1.1 * bench.row("ddpm", "uniform", 250).distance
    plot(rows, goal)
    near = [row for row in (*rows, *few) if row.distance <= goal]
    best = min(near, key=lambda row: (row.evaluations, row.distance))
    text = f"""# Samplers

{bench.count:,} digits of the model of `configs/mnist.flags`, all classes in turn,
w = {GUIDANCE}; made by `python docs/make_samplers_table.py runs/mnist`. FD (digits):
Fréchet distance to the 4,000 training digits, with its 95 % interval. Evaluations:
calls of the denoiser for one picture. Outliers: share of pixels more than 0.05 beyond
[-1, 1] when neither threshold nor clipping holds them. Seconds: for one picture.

**Fewest evaluations within 10 % of DDPM at 250 steps: {best.evaluations:.0f}**, by
`{best.sampler}` with {best.spacing} spacing ({best.distance:.2f} against
{goal / 1.1:.2f}).

![FD over evaluations](images/samplers.png)

## Steps, evenly spaced in t

{chr(10).join(table(rows))}

## Spacings, at few steps

{chr(10).join(table(few))}
"""
    (HERE / "samplers.md").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:3])
