"""Measures augmentation that does not leak: docs/augmentation.md.

First it makes 500 emoji to train on and keeps the others apart, then settings of six
runs: three seeds, with augmentation and without. Their trainings are a matter of
train.py; finished ones are measured, what is on record is not measured again.

Example: python -m experiments.augmentation pictures runs/augmentation
         python -m experiments.augmentation measure runs/augmentation
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.pages import DOCS, read_record, table, write_page, write_record
from pdm_tf.assemble import open_model
from pdm_tf.config.sampling import WATCHED
from pdm_tf.data.images import contact_sheet, save_png
from pdm_tf.data.sources import open_source
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.features.extractor import pooled_of
from pdm_tf.evaluation.metrics import gaussian_of
from pdm_tf.evaluation.metrics.frechet import frechet_distance
from pdm_tf.evaluation.metrics.kernel import kid
from pdm_tf.evaluation.metrics.memorisation import memorised_share, nearest
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.storage.files import write_text
from pdm_tf.storage.images import write_png

ARGUMENTS = ("measure", "runs/augmentation")
SHAPE, TRAINED, BATCH, SEEDS = (64, 64, 3), 500, 50, (0, 1, 2)
WAYS = {"without": 0.0, "with": 0.15}
FLAGS = """\
# 500 emoji of 64x64 pixels, {way} augmentation that does not leak, seed {seed}:
# one of the six runs of docs/augmentation.md (Frechet distance, three seeds).
# Made by python -m experiments.augmentation pictures

--run_dir={run}
--dataset=folder:{pictures}
--image_shape=64,64,3
--num_classes=0
--augment={augment}
--seed={seed}

--patch_size=4
--width=64
--channel_multipliers=1,2
--blocks_per_level=2
--attention_resolutions=8

--batch_size=64
--iterations={steps}
--learning_rate=5e-4
--beta_2=0.99
--warmup=200
--ema_every=10

--log_every=100
--save_every=1000
--sample_every=0
--noexport
"""


def make_pictures(folder: Path, steps: int, runs: Path | None) -> None:
    """500 emoji in FOLDER/pictures, the others in its test; six flag files."""
    whole = [open_source("emoji", SHAPE, 0, split) for split in ("train", "test")]
    made = np.concatenate([s.read(np.arange(len(s)))[0] for s in whole])
    pictures = folder / "pictures"
    for number, picture in enumerate(made):
        part = pictures / ("train" if number < TRAINED else "test")
        write_png(part / f"{number:04d}.png", picture)
    for way, augment in WAYS.items():
        for seed in SEEDS:
            run = (runs or folder) / f"aug-{way}-{seed}"
            given = {"way": way, "seed": seed, "run": run, "augment": augment}
            text = FLAGS.format(**given, pictures=pictures, steps=steps)
            write_text(folder / f"aug-{way}-{seed}.flags", text)


def measure(words: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """Adds the rows of runs that are not on record yet."""
    extract = open_features("random")
    where = f"folder:{words.folder / 'pictures'}"
    sources = [open_source(where, SHAPE, 0, split) for split in ("train", "test")]
    trained, others = (s.read(np.arange(len(s)))[0] for s in sources)
    known = [gaussian_of(pictures, extract) for pictures in (trained, others)]
    points = [pooled_of(pictures, extract) for pictures in (trained, others)]
    for way in WAYS:
        for seed in SEEDS:
            run = (words.runs or words.folder) / f"aug-{way}-{seed}"
            there = (run / "checkpoints").is_dir()
            if not there or any((r["way"], r["seed"]) == (way, seed) for r in rows):
                continue
            pictures = drawn(run, words.count, words.steps)
            sheet = contact_sheet(pictures[:32], 8)
            save_png(words.docs / "images" / f"augmentation_{way}_{seed}.png", sheet)
            found = gaussian_of(pictures, extract)
            own = pooled_of(pictures, extract)
            copies = nearest(
                *(p.reshape(len(p), -1).astype(np.float32) for p in (pictures, trained))
            )
            row = {"way": way, "seed": seed, "count": words.count}
            row["others"] = frechet_distance(found, known[1])
            row["trained"] = frechet_distance(found, known[0])
            row["kid"] = kid(own, points[1])
            row["copies"] = memorised_share(copies)
            rows.append(row)
            print(row, flush=True)
            write_record(words.docs / "augmentation.json", rows)


def drawn(run: Path, count: int, steps: int) -> np.ndarray:
    """Pictures of a run, uint8 [count, H, W, C]."""
    opened = open_model(run)
    generator = DenoiserGenerator(opened.denoiser, opened.settings.sampling)
    made = []
    for first in range(0, count, BATCH):
        seeds = np.arange(first, min(first + BATCH, count))
        made.append(generator.generate(seeds, 0 * seeds, steps, 1.0, WATCHED.sampler))
    return np.concatenate(made)


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page, a row a run and the means."""
    compared = ("FD to other emoji", "KID to them", "FD to the 500")
    header = ("augmentation", "seed", *compared, "copies of the 500")
    lines = []
    for way in WAYS:
        own = [row for row in rows if row["way"] == way]
        for row in own:
            lines.append((way, row["seed"], *_cells(row)))
        if len(own) > 1:
            names = ("others", "kid", "trained", "copies")
            mean = {n: float(np.mean([row[n] for row in own])) for n in names}
            off = float(np.std([row["others"] for row in own], ddof=1))
            cells = _cells(mean)
            lines.append((way, "mean", f"{cells[0]} ± {off:.2g}", *cells[1:]))
    return table(header, lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{row['others']:.3g}",
        f"{row['kid']:.3g}",
        f"{row['trained']:.3g}",
        f"{row['copies']:.1%}",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Makes the pictures and settings, or measures the runs, and writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", choices=["pictures", "measure", "page"])
    parser.add_argument("folder", type=Path, help="where pictures and settings are")
    parser.add_argument("--runs", type=Path, help="where the runs are; else there too")
    parser.add_argument("--iterations", type=int, default=6000, help="of each run")
    parser.add_argument("--count", type=int, default=500, help="pictures of a run")
    parser.add_argument(
        "--steps", type=int, default=WATCHED.steps, help="of the sampler"
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    if words.work == "pictures":
        make_pictures(words.folder, words.iterations, words.runs)
        return
    rows = read_record(words.docs / "augmentation.json")
    if words.work == "measure":
        measure(words, rows)
    write_page(words.docs / "augmentation.md", "augmentation", text_of(rows))


if __name__ == "__main__":
    main()
