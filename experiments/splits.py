"""Compares boundaries of a split by training both parts at each: docs/splits.md.

Trains what is missing below a folder, several seeds of every boundary, all for as many
steps; stopped, it goes on where it was. --boundaries with --train_only trains some and
stops, so that two processes can share the work, as does --seeds.

Example: python -m experiments.splits configs/mnist.flags runs/splits
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.digits import TrainingDigits, sample_digits
from experiments.pages import DOCS, read_record, table, write_page, write_record
from pdm_tf import assemble, flags
from pdm_tf.assemble import open_model
from pdm_tf.config import Config
from pdm_tf.samplers import DDIM

ARGUMENTS = ("configs/mnist.flags", "runs/splits")
PAPER, SUGGESTED = 0.25, 6.3  # SNR: the paper's, and of `assemble split --suggest`
SEEDS, PATCH, ITERATIONS = (0, 1, 2), 4, 900
STUDENT = {2: 12.706, 3: 4.303}  # 97.5 % of Student's t, by the number of seeds


def place(folder: Path, boundary: float, seed: int, part: str) -> Path:
    """Where a part of a split goes, or with "joined" the split itself."""
    return folder / f"snr{boundary:g}_seed{seed}_{part}"


def parts(
    base: Config, folder: Path, boundary: float, seed: int, iterations: int
) -> Iterator[Config]:
    """Trainings of the two parts, which differ in their range of SNR alone."""
    ranges: dict[str, dict[str, Any]] = {
        "low": {"snr_low": boundary},
        "high": {"snr_high": boundary},
    }
    for part, ends in ranges.items():
        yield replace(
            base,
            network=replace(base.network, patch_size=PATCH),
            training=replace(
                base.training,
                run_dir=str(place(folder, boundary, seed, part)),
                iterations=iterations,
                seed=seed,
                sample_every=0,
                export=False,
                **ends,
            ),
        )


def train(
    base: Config, folder: Path, boundary: float, seed: int, iterations: int
) -> None:
    """Trains both parts and joins them."""
    for config in parts(base, folder, boundary, seed, iterations):
        if not assemble.train(config):
            raise SystemExit(130)  # Ctrl-C; the same command goes on
        tf.keras.backend.clear_session()
    low, high = (str(place(folder, boundary, seed, part)) for part in ("low", "high"))
    assemble.join_runs([low, high], place(folder, boundary, seed, "joined"))


def measure(
    folder: Path, boundary: float, seed: int, real: TrainingDigits, words: Any
) -> dict[str, Any]:
    """A row: digits of the joined model."""
    denoise = open_model(str(place(folder, boundary, seed, "joined"))).denoiser
    pictures, labels, _ = sample_digits(
        denoise, words.count, words.steps, sampler=DDIM()
    )
    found = real.compare(pictures, labels)._asdict()
    return {
        "boundary": boundary,
        "seed": seed,
        "iterations": words.iterations,
        "count": words.count,
        "steps": words.steps,
        **found,
    }


def differences(rows: Sequence[dict[str, Any]], key: str) -> np.ndarray:
    """Suggested less paper's boundary, of the seeds that have both."""
    of = {(row["boundary"], row["seed"]): row[key] for row in rows}
    seeds = sorted({seed for boundary, seed in of if (PAPER, seed) in of})
    pairs = [
        of[SUGGESTED, seed] - of[PAPER, seed]
        for seed in seeds
        if (SUGGESTED, seed) in of
    ]
    return np.array(pairs)


def within(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of a value a seed and its 95 % interval by Student's t."""
    half = STUDENT[len(values)] * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean(), values.mean() - half, values.mean() + half


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The tables of the page: every split, and the paired differences."""
    runs = table(
        ("boundary (SNR)", "seed", "recognised", "spread", "FD (digits)"),
        (
            (
                f"{row['boundary']:g}",
                row["seed"],
                f"{row['accuracy']:.1%}",
                f"{row['spread']:.2f}",
                f"{row['distance']:.2f}",
            )
            for row in sorted(rows, key=lambda row: (row["boundary"], row["seed"]))
        ),
    )
    shares = [100 * value for value in within(differences(rows, "accuracy"))]
    distances = within(differences(rows, "distance"))
    paired = table(
        (f"{SUGGESTED:g} less {PAPER:g}, same seed", "mean", "95 % interval"),
        (
            ("recognised, points", f"{shares[0]:+.1f}", _between(shares, ".1f")),
            ("FD (digits)", f"{distances[0]:+.2f}", _between(distances, ".2f")),
        ),
    )
    return f"{runs}\n\n{paired}"


def _between(found: Sequence[float], form: str) -> str:
    return f"{found[1]:+{form}} to {found[2]:+{form}}"


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, joins, measures, records after every row, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flagfile", help="settings of the model that is split")
    parser.add_argument("folder", type=Path, help="where the runs go")
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="of a part")
    parser.add_argument("--boundaries", type=float, nargs="*")
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--train_only", action="store_true", help="measure nothing")
    parser.add_argument("--count", type=int, default=1000, help="digits a row")
    parser.add_argument("--steps", type=int, default=25, help="steps of DDIM")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    (base,) = flags.parse(["", f"--flagfile={words.flagfile}"], Config)
    rows = read_record(words.docs / "splits.json")
    known = {(row["boundary"], row["seed"]) for row in rows}
    missing = [
        (boundary, seed)
        for seed in words.seeds
        for boundary in words.boundaries or (PAPER, SUGGESTED)
        if (boundary, seed) not in known
    ]
    real = TrainingDigits() if missing and not words.train_only else None
    for boundary, seed in missing:
        train(base, words.folder, boundary, seed, words.iterations)
        if real is None:
            continue
        rows.append(measure(words.folder, boundary, seed, real, words))
        print(rows[-1], flush=True)
        write_record(words.docs / "splits.json", rows)
    if not words.train_only:
        write_page(words.docs / "splits.md", "splits", text_of(rows))


if __name__ == "__main__":
    main()
