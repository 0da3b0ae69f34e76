"""Measures augmentation that does not leak: docs/augmentation.md.

First it makes 500 emoji to train on and keeps the others apart, then settings of six
runs: three seeds, with augmentation and without. Their trainings are a matter of
train.py; finished ones are measured, what is on record is not measured again. Pictures
of 64 pixels want an accelerator, those of 32 train on a processor.

Example: python -m experiments.augmentation pictures runs/augmentation --side=32
         python -m experiments.augmentation measure runs/augmentation --side=32
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.pages import DOCS, read_record, table, write_page, write_record
from pdm_tf.assemble import open_model
from pdm_tf.assemble.model_card import NAME as CARD
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

ARGUMENTS = ("measure", "runs/augmentation", "--side=32")
TRAINED, BATCH, SEEDS = 500, 50, (0, 1, 2)
WAYS = {"without": 0.0, "with": 0.15}
MEASURED = ("others", "kid", "trained", "copies")
STUDENT = {2: 12.706, 3: 4.303}  # 97.5 % of the distribution, by number of seeds


class Trial(NamedTuple):
    """What trainings of a size have in common."""

    width: int  # channels of the network
    blocks: int  # of each level
    attention: int  # the resolution with attention [patches]
    batch: int  # pictures a step
    iterations: int
    learning_rate: float

    @property
    def seen(self) -> int:
        """How often a picture is seen."""
        return round(self.batch * self.iterations / TRAINED)


TRIALS = {  # by pixels
    32: Trial(32, 1, 4, 64, 1600, 1e-3),
    64: Trial(64, 2, 8, 64, 6000, 5e-4),
}
FLAGS = """\
# 500 emoji of {side}x{side} pixels, {way} augmentation that does not leak, seed {seed}:
# one of the runs of docs/augmentation.md (Frechet distance, three seeds).
# Made by python -m experiments.augmentation pictures

--run_dir={run}
--dataset=folder:{pictures}
--image_shape={side},{side},3
--num_classes=0
--augment={augment}
--seed={seed}

--patch_size=4
--width={trial.width}
--channel_multipliers=1,2
--blocks_per_level={trial.blocks}
--attention_resolutions={trial.attention}

--batch_size={trial.batch}
--iterations={trial.iterations}
--learning_rate={trial.learning_rate}
--beta_2=0.99
--warmup=200
--ema_every=10

--log_every=100
--save_every=1000
--sample_every=0
--noexport
"""


def make_pictures(folder: Path, side: int, runs: Path | None) -> None:
    """500 emoji in FOLDER/pictures, the others in its test; six flag files."""
    shape = (side, side, 3)
    whole = [open_source("emoji", shape, 0, split) for split in ("train", "test")]
    made = np.concatenate([s.read(np.arange(len(s)))[0] for s in whole])
    pictures = folder / "pictures"
    for number, picture in enumerate(made):
        part = pictures / ("train" if number < TRAINED else "test")
        write_png(part / f"{number:04d}.png", picture)
    for way, augment in WAYS.items():
        for seed in SEEDS:
            run = (runs or folder) / f"aug-{way}-{seed}"
            given = {"way": way, "seed": seed, "run": run, "augment": augment}
            given |= {"side": side, "trial": TRIALS[side]}
            text = FLAGS.format(**given, pictures=pictures)
            write_text(folder / f"aug-{way}-{seed}.flags", text)


def measure(words: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """Adds the rows of runs that are not on record yet."""
    extract = open_features("random")
    where = f"folder:{words.folder / 'pictures'}"
    shape = (words.side, words.side, 3)
    sources = [open_source(where, shape, 0, split) for split in ("train", "test")]
    trained, others = (s.read(np.arange(len(s)))[0] for s in sources)
    known = [gaussian_of(pictures, extract) for pictures in (trained, others)]
    points = [pooled_of(pictures, extract) for pictures in (trained, others)]
    for way in WAYS:
        for seed in SEEDS:
            run = (words.runs or words.folder) / f"aug-{way}-{seed}"
            finished = (run / CARD).is_file()  # the last thing that a run writes
            key = {"side": words.side, "way": way, "seed": seed}
            if not finished or any(key.items() <= row.items() for row in rows):
                continue
            pictures = drawn(run, words.count, words.steps)
            name = f"augmentation_{words.side}_{way}_{seed}.png"
            save_png(words.docs / "images" / name, contact_sheet(pictures[:32], 8))
            found = gaussian_of(pictures, extract)
            own = pooled_of(pictures, extract)
            copies = nearest(
                *(p.reshape(len(p), -1).astype(np.float32) for p in (pictures, trained))
            )
            row: dict[str, Any] = {**key, "count": words.count}
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
    """The tables of the page, one a size."""
    parts = []
    for side, trial in TRIALS.items():
        own = [row for row in rows if row["side"] == side]
        if own:
            said = f"{side}×{side} pixels, each picture seen {trial.seen} times"
            parts += [f"### {said}", _table_of(own)]
    return "\n\n".join(parts)


def _table_of(rows: Sequence[dict[str, Any]]) -> str:
    """A row a run; where there are several seeds, the means and what differs."""
    compared = ("FD to other emoji", "KID to them", "FD to the 500")
    header = ("augmentation", "seed", *compared, "copies of the 500")
    lines = []
    for way in WAYS:
        own = [row for row in rows if row["way"] == way]
        lines += [(way, row["seed"], *_cells(row)) for row in own]
        if len(own) > 1:
            mean = {n: float(np.mean([row[n] for row in own])) for n in MEASURED}
            lines.append((way, "mean", *_cells(mean)))
    pairs = [
        [row for way in WAYS for row in rows if (row["way"], row["seed"]) == (way, s)]
        for s in SEEDS
    ]
    pairs = [pair for pair in pairs if len(pair) == len(WAYS)]
    if len(pairs) in STUDENT:
        differ = {n: [b[n] - a[n] for a, b in pairs] for n in MEASURED}
        cells = (_difference(differ[n], n == "copies") for n in MEASURED)
        lines.append(("with - without", "95 %", *cells))
    return table(header, lines)


def _difference(values: Sequence[float], share: bool) -> str:
    """The mean of the seeds' differences, and Student's 95 % interval of it."""
    mean, off = float(np.mean(values)), float(np.std(values, ddof=1))
    off *= STUDENT[len(values)] / len(values) ** 0.5
    ends = (mean, mean - off, mean + off)
    at, low, high = (f"{v:+.1%}" if share else f"{v:+.2g}" for v in ends)
    return f"{at} ({low} to {high})"


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
    parser.add_argument(
        "--side", type=int, choices=TRIALS, default=64, help="of a picture [pixels]"
    )
    parser.add_argument("--count", type=int, default=500, help="pictures of a run")
    parser.add_argument(
        "--steps", type=int, default=WATCHED.steps, help="of the sampler"
    )
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    if words.work == "pictures":
        make_pictures(words.folder, words.side, words.runs)
        return
    rows = read_record(words.docs / "augmentation.json")
    if words.work == "measure":
        measure(words, rows)
    write_page(words.docs / "augmentation.md", "augmentation", text_of(rows))


if __name__ == "__main__":
    main()
