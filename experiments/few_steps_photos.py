"""Measures photographs in 1 to 8 evaluations: a part of docs/few_steps.md.

Trains its models in OUT, or goes on with them; writes rows into docs/few_steps.json, a
sheet, and the page. What was measured is kept.

Example: python -m experiments.few_steps_photos pretrained:photos runs/few-steps
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments import few_steps_page
from experiments.few_steps_models import CHAIN, make_models
from experiments.int8_pictures import ratio_with_interval
from experiments.pages import DOCS, read_record, write_record
from experiments.samplers import BATCH, COUNTS, GUIDANCE, Bench
from pdm_tf.assemble import OpenedModel
from pdm_tf.config import Spacing
from pdm_tf.data.images import save_png, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.evaluation.bootstrap import frechet_with_interval
from pdm_tf.samplers import SAMPLERS, SPACINGS, sample
from pdm_tf.storage.arrays import read_arrays, write_arrays

ARGUMENTS = ("pretrained:photos", "runs/few-steps")
FEW = (1, 2, 4, 8)  # evaluations, one a step
SHOWN = 5  # pictures of a method at each number of steps


class Way(NamedTuple):
    """A way to sample: which model, by which sampler, on which grid."""

    name: str
    model: str
    sampler: str
    spacing: Spacing


WAYS = (
    Way("DDIM", "base", "ddim", "uniform"),
    Way("DDIM, trailing", "base", "ddim_trailing", "trailing"),
    Way("DPM-Solver++", "base", "dpm_solver", "uniform"),
    Way("DPM-Solver++ with noise", "base", "dpm_solver_sde", "uniform"),
    Way("DPM-Solver++, Karras' levels", "base", "dpm_solver", "karras"),
    Way("the same with noise", "base", "dpm_solver_sde", "karras"),
    Way("LCM-LoRA", "lcm-photos", "lcm", SPACINGS["lcm"]),
    *(
        Way(
            f"progressive, made for {steps}",
            f"progressive-photos-{steps}",
            "ddim_trailing",
            "trailing",
        )
        for steps in CHAIN
    ),
    Way("MMD-DDM, made for 4", "mmd-photos-4", "dpm_solver", "uniform"),
    Way("spectral", "spectral-photos", "dpm_solver", "uniform"),
    Way("annealed reflow", "straight-photos", "ddim", "uniform"),
    Way("SlimFlow, one step", "slimflow-photos", "ddim", "uniform"),
)
SLOW = (Way("DDPM", "base", "ddpm", "uniform"), 250)  # what the bar is of
MODELS = tuple(dict.fromkeys(way.model for way in WAYS if way.model != "base"))


def draw_all(models: dict[str, OpenedModel], out: Path) -> None:
    """Pictures of all cells that are not kept in a file yet."""
    cells = [*((way, steps) for way in WAYS for steps in FEW), SLOW]
    for way, steps in (cell for cell in cells if cell[0].model in models):
        if file_of(out, way, steps).is_file():
            continue
        denoise = models[way.model].denoiser.with_constant_weights()
        sampling = models[way.model].settings.sampling
        denoise = for_sampling(denoise, np.zeros(BATCH, np.int32), GUIDANCE, sampling)
        grid, made = denoise.schedule.grid(steps, way.spacing), []
        for first in range(0, COUNTS["photos"], BATCH):
            seeds, shape = range(first, first + BATCH), denoise.image_shape
            x = sample(denoise, SAMPLERS[way.sampler](), grid, seeds, shape)
            made.append(to_uint8(x).numpy())
        write_arrays(file_of(out, way, steps), {"x": np.concatenate(made)})


def file_of(out: Path, way: Way, steps: int) -> Path:
    """Where the pictures of a cell are."""
    name = f"{way.model}-{way.sampler}-{way.spacing}-{steps}.safetensors"
    return out / "photos" / name


def measure(ways: Sequence[Way], base: str, out: Path, record: Path) -> None:
    """Rows of all cells that are not on record."""
    bench = None
    for way, steps in ((way, steps) for way in ways for steps in FEW):
        rows = read_record(record)
        if (way.name, steps) in {(row.get("photos"), row.get("steps")) for row in rows}:
            continue
        bench = bench or Bench(base)  # reads all photographs
        pictures = read_arrays(file_of(out, way, steps))["x"]
        found = frechet_with_interval(pictures, bench.real, bench.extract, 200)
        distance = [found.value, found.low or 0.0, found.high or 0.0]
        row = {"photos": way.name, "steps": steps, "distance": distance}
        write_record(record, [*rows, row])
        print(row, flush=True)


def compare(ways: Sequence[Way], base: str, out: Path, record: Path) -> None:
    """A row on each way in 4 evaluations over 250 steps of DDPM, the same seeds."""
    rows = read_record(record)
    known = [row["photos_ratios"] for row in rows if "photos_ratios" in row]
    if known and known[0].keys() == {way.name for way in ways}:
        return
    rows = [row for row in rows if "photos_ratios" not in row]
    bench, slow = Bench(base), read_arrays(file_of(out, *SLOW))["x"]
    ratios = {}
    for way in ways:
        pictures = read_arrays(file_of(out, way, 4))["x"]
        found = ratio_with_interval(slow, pictures, bench.real, bench.extract)
        ratios[way.name] = list(found)
        print(way.name, found, flush=True)
    write_record(record, [*rows, {"photos_ratios": ratios}])


def draw_sheet(ways: Sequence[Way], out: Path, file: Path) -> None:
    """One row a way; columns of SHOWN photographs in 1, 2, 4 and 8 steps."""
    rows = {}
    for way in ways:
        parts = [read_arrays(file_of(out, way, steps))["x"][:SHOWN] for steps in FEW]
        rows[way.name] = np.concatenate(parts)
    save_png(file, named_rows(rows))


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not on record, and draws the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="a model of photographs")
    parser.add_argument("out", type=Path, help="directory of what is trained")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    parser.add_argument(
        "--models", default=",".join(MODELS), help="empty: the base alone"
    )
    words = parser.parse_args(argv)
    names = [name for name in words.models.split(",") if name]
    models = make_models(words.base, words.out, names)
    if models is None:
        return
    ways = [way for way in WAYS if way.model in models]
    draw_all(models, words.out)
    draw_sheet(ways, words.out, words.docs / "images" / "few_steps_photos.png")
    measure(ways, words.base, words.out, words.docs / "few_steps.json")
    if ways == list(WAYS):
        compare(ways, words.base, words.out, words.docs / "few_steps.json")
    few_steps_page.write(words.docs)


if __name__ == "__main__":
    main()
