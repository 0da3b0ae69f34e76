"""Writes docs/samplers.md and its curves: what every sampler makes of few steps.

Stopped, it goes on where it was: what was measured lies in docs/samplers.json. Without
a run it only writes the page again.

Example: python docs/make_samplers_table.py runs/mnist runs/photos
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import samplers_page
from samplers_page import RECORD, Row

import pdm_tf as pdm
from pdm_tf.assemble import settings_of
from pdm_tf.data.images import to_uint8
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import Grid
from pdm_tf.diffusion.grids import SPACINGS
from pdm_tf.evaluation.bootstrap import draw_weights, interval
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics.frechet import frechet_distance
from pdm_tf.evaluation.metrics.moments import FeatureGaussian, FeatureMoments, merged
from pdm_tf.samplers import SAMPLERS, Sampler, evaluations, sample

FEW = (5, 10, 15)  # steps at which overshooting is looked at too
COUNTS = {"mnist": 500, "photos": 200}  # pictures of a cell
BATCH, GROUPS, GUIDANCE = 100, 50, 1.5
BEYOND, STRONG = 1.2, 4.0  # an outlier's distance from 0; the guidance for counting
FEATURES = {"mnist": "digits"}  # others: random convolutions


@dataclass(frozen=True)
class Cell:
    """What is measured: a sampler on a grid."""

    sampler: str
    spacing: str
    steps: int


def cells() -> Iterator[Cell]:
    """All of them, those that are soonest done and tell most first."""
    for steps in (5, 10):
        yield from (Cell(name, "uniform", steps) for name in SAMPLERS)
    yield Cell("ddpm", "uniform", 250)
    for steps in (20, 15, 25):
        yield from (Cell(name, "uniform", steps) for name in SAMPLERS)
    for spacing in SPACINGS[1:]:
        yield from (Cell(name, spacing, 10) for name in SAMPLERS)
    for steps in (50, 100, 250):
        yield from (Cell(name, "uniform", steps) for name in SAMPLERS)


class Bench:
    """A run's denoiser and the pictures it was trained on, ready to measure."""

    def __init__(self, run_dir: str) -> None:
        config, denoise = (
            settings_of(run_dir),
            pdm.restore(run_dir).with_constant_weights(),
        )
        self.data = config.data.dataset
        self.schedule, self.image_shape = denoise.schedule, denoise.image_shape
        labels = np.arange(BATCH) % max(1, denoise.num_classes)
        self.guided = for_sampling(denoise, labels, GUIDANCE, config.sampling)
        # Without a threshold, or it would hide how far a sampler overshoots.
        self.bare = denoise
        if denoise.num_classes:
            self.bare = pdm.guided(denoise, labels, STRONG, threshold=None)
        self.extract = open_features(FEATURES.get(self.data, "random"))
        source = open_source(self.data, self.image_shape, denoise.num_classes)
        real, _ = source.read(np.arange(len(source)))
        self.real: FeatureGaussian = FeatureMoments.of(self._pooled(real)).gaussian()

    def measure(self, cell: Cell) -> Row:
        """Draws, and compares with the data."""
        grid = self.schedule.grid(cell.steps, cell.spacing)
        sampler, drawn, clock = SAMPLERS[cell.sampler](), [], []
        for first in range(0, COUNTS.get(self.data, 500), BATCH):
            begun = time.process_time()
            seeds = range(first, first + BATCH)
            x = sample(self.guided, sampler, grid, seeds, self.image_shape)
            drawn.append(to_uint8(x).numpy())
            clock.append(time.process_time() - begun)
        distance, low, high = self._distance(np.concatenate(drawn))
        return Row(
            data=self.data,
            **asdict(cell),
            evaluations=evaluations(sampler) * (cell.steps - 1) + 1,
            distance=distance,
            low=low,
            high=high,
            outliers=self._outliers(sampler, grid) if cell.steps in FEW else None,
            seconds=float(np.median(clock[1:])) / BATCH,
        )

    def _outliers(self, sampler: Sampler, grid: Grid) -> float:
        x = sample(self.bare, sampler, grid, range(BATCH), self.image_shape)
        return float(np.mean(np.abs(x) > BEYOND))

    def _pooled(self, pictures: np.ndarray) -> np.ndarray:
        batches = np.array_split(pictures, -(-len(pictures) // 500))
        return np.concatenate([self.extract(batch).pooled for batch in batches])

    def _distance(self, pictures: np.ndarray) -> tuple[float, float, float]:
        """Fréchet distance and its interval, by resampling groups of pictures."""
        pooled = self._pooled(pictures)
        parts = [FeatureMoments.of(rows) for rows in np.array_split(pooled, GROUPS)]

        def distance(weights: np.ndarray | None = None) -> float:
            return frechet_distance(merged(parts, weights).gaussian(), self.real)

        again = [distance(w) for w in draw_weights(GROUPS, 200, seed=0)]
        figure = interval(distance(), again, GROUPS)
        return figure.value, figure.low or 0.0, figure.high or 0.0


def main(*run_dirs: str) -> None:
    """Measures what is not yet on record of each run, and writes the page."""
    rows = samplers_page.recorded()
    for run_dir in run_dirs:
        bench = Bench(run_dir)
        done = {
            Cell(row.sampler, row.spacing, row.steps)
            for row in rows
            if row.data == bench.data
        }
        for cell in cells():
            if cell not in done:
                done.add(cell)
                rows.append(bench.measure(cell))
                print(rows[-1], flush=True)
                RECORD.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    samplers_page.write(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
