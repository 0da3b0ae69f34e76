"""Measures guidance by worse models beside classifier-free: docs/autoguidance.md.

A worse model is given by a name and a place. What is on record is not measured again.

Example: python -m experiments.autoguidance pretrained:mnist \
  early=runs/post_hoc_ema/run 4-bit=runs/mnist-4-bit
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.digits import CLASSES, SHAPE
from experiments.pages import DOCS, read_record, table, write_page, write_record
from pdm_tf.assemble import open_model
from pdm_tf.config.sampling import BEST
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers.autoguidance import with_guide
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.evaluation.bootstrap import frechet_with_interval
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics import accuracy, gaussian_of
from pdm_tf.serving.denoiser_generator import DenoiserGenerator

ARGUMENTS = (
    "pretrained:mnist",
    "early=runs/post_hoc_ema/run",
    "4-bit=runs/mnist-4-bit",
)
FREE, GUIDED = (1.0, 1.5, 2.0, 3.0), (1.5, 2.0, 3.0)
FREELY = ("classifier-free",)
GUIDED_BY = {"a classifier": (1.0, 2.0, 4.0, 8.0, 32.0)}
BATCH = 100


def measure(words: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """Adds the rows that are not on record yet: every way with its weights."""
    opened, extract = open_model(words.model), open_features("digits")
    source = open_source("mnist", SHAPE, CLASSES)
    real = gaussian_of(source.read(np.arange(len(source)))[0], extract)
    ways: dict[str, Denoiser] = {"classifier-free": opened.denoiser}
    for place in words.classifier:
        ways["a classifier"] = open_model(place).denoiser
    for given in words.guides:
        name, _, place = given.partition("=")
        guide = open_model(place).denoiser
        ways[f"autoguidance, {name}"] = with_guide(opened.denoiser, guide)
    for way, denoiser in ways.items():
        generator = DenoiserGenerator(denoiser, opened.settings.sampling)
        for weight in FREE if way == "classifier-free" else GUIDED_BY.get(way, GUIDED):
            if any((row["way"], row["weight"]) == (way, weight) for row in rows):
                continue
            seeds = np.arange(words.count)
            parts = np.array_split(seeds, max(1, words.count // BATCH))
            request = words.steps, weight, words.sampler
            made = [generator.generate(p, p % CLASSES, *request) for p in parts]
            pictures = np.concatenate(made)
            found = frechet_with_interval(pictures, real, extract, replicates=200)
            row = {"way": way, "weight": weight, "distance": found.value}
            row |= {"low": found.low, "high": found.high}
            row["accuracy"] = float(accuracy(pictures, seeds % CLASSES))
            rows.append(row)
            print(row, flush=True)
            write_record(words.docs / "autoguidance.json", rows)


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    return table(
        ("guidance", "weight w", "FD (digits)", "95 %", "recognised"),
        (
            (
                "none" if row["weight"] == 1 and row["way"] in FREELY else row["way"],
                f"{row['weight']:g}",
                f"{row['distance']:.1f}",
                f"{row['low']:.1f} to {row['high']:.1f}",
                f"{row['accuracy']:.1%}",
            )
            for row in rows
        ),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, records, writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", help="a model of digits; none: the page")
    parser.add_argument("guides", nargs="*", help="NAME=PLACE of worse versions")
    parser.add_argument(
        "--classifier", nargs="*", default=(), help="a model guided by a classifier"
    )
    parser.add_argument("--count", type=int, default=200, help="digits a row")
    parser.add_argument("--steps", type=int, default=10, help="of the sampler")
    parser.add_argument("--sampler", default=BEST.sampler)
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    rows = read_record(words.docs / "autoguidance.json")
    if words.model:
        measure(words, rows)
    write_page(words.docs / "autoguidance.md", "autoguidance", text_of(rows))


if __name__ == "__main__":
    main()
