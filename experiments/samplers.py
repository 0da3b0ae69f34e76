"""Measures what every sampler makes of few steps: docs/samplers.md and its curves.

Stopped, it goes on where it was: what was measured lies in docs/samplers.json. Without
a run it only writes the page again.

Example: python -m experiments.samplers runs/mnist runs/photos
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import pdm_tf as pdm
from experiments import samplers_page
from experiments.pages import DOCS, read_record, write_record
from experiments.samplers_page import Row
from pdm_tf.assemble import open_model
from pdm_tf.config import Spacing
from pdm_tf.data.images import to_uint8
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import Grid
from pdm_tf.diffusion.grids import SPACINGS
from pdm_tf.evaluation.bootstrap import frechet_with_interval
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics import gaussian_of
from pdm_tf.samplers import SAMPLERS, Sampler, evaluations, sample

ARGUMENTS = ("pretrained:mnist", "pretrained:photos")
FEW = (5, 10, 15)  # steps at which overshooting is looked at too
COUNTS = {"mnist": 500, "photos": 200}  # pictures of a cell
BATCH, GUIDANCE = 100, 1.5
BEYOND, STRONG = 1.2, 4.0  # an outlier's distance from 0; the guidance for counting
FEATURES = {"mnist": "digits"}  # others: random convolutions


@dataclass(frozen=True)
class Cell:
    """What is measured: a sampler on a grid."""

    sampler: str
    spacing: Spacing
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

    def __init__(self, path: str) -> None:
        model = open_model(path)
        config, denoise = model.settings, model.denoiser.with_constant_weights()
        self.data = config.data.dataset
        self.schedule, self.image_shape = denoise.schedule, denoise.image_shape
        labels = np.arange(BATCH) % max(1, denoise.num_classes)
        self.guided = for_sampling(denoise, labels, GUIDANCE, config.sampling)
        # Without a threshold, or it would hide how far a sampler overshoots.
        self.bare: Denoiser = denoise
        if denoise.num_classes:
            self.bare = pdm.guided(denoise, labels, STRONG, threshold=None)
        self.extract = open_features(FEATURES.get(self.data, "random"))
        source = open_source(self.data, self.image_shape, denoise.num_classes)
        real, _ = source.read(np.arange(len(source)))
        self.real = gaussian_of(real, self.extract)

    def measure(self, cell: Cell) -> Row:
        """Samples, and compares with the data."""
        grid = self.schedule.grid(cell.steps, cell.spacing)
        sampler, made, clock = SAMPLERS[cell.sampler](), [], []
        for first in range(0, COUNTS.get(self.data, 500), BATCH):
            begun = time.process_time()
            seeds = range(first, first + BATCH)
            x = sample(self.guided, sampler, grid, seeds, self.image_shape)
            made.append(to_uint8(x).numpy())
            clock.append(time.process_time() - begun)
        found = frechet_with_interval(
            np.concatenate(made), self.real, self.extract, replicates=200
        )
        return Row(
            data=self.data,
            **asdict(cell),
            evaluations=evaluations(sampler) * (cell.steps - 1) + 1,
            distance=found.value,
            low=found.low or 0.0,
            high=found.high or 0.0,
            outliers=self._outliers(sampler, grid) if cell.steps in FEW else None,
            seconds=float(np.median(clock[1:])) / BATCH,
        )

    def _outliers(self, sampler: Sampler, grid: Grid) -> float:
        x = sample(self.bare, sampler, grid, range(BATCH), self.image_shape)
        return float(np.mean(np.abs(x) > BEYOND))


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not yet on record of each run, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="models; none: the page alone")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    record = words.docs / "samplers.json"
    rows = [Row(**row) for row in read_record(record)]
    for model in words.models:
        bench = Bench(model)
        done = {
            (row.sampler, row.spacing, row.steps)
            for row in rows
            if row.data == bench.data
        }
        for cell in cells():
            if (cell.sampler, cell.spacing, cell.steps) not in done:
                rows.append(bench.measure(cell))
                print(rows[-1], flush=True)
                write_record(record, [asdict(row) for row in rows])
    samplers_page.write(rows, words.docs)


if __name__ == "__main__":
    main()
