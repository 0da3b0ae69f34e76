"""Measures what the guidance weight does to a model of digits: docs/guidance.md.

Example: python -m experiments.guidance runs/mnist
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.digits import TrainingDigits, sample_digits
from experiments.pages import DOCS, table, write_page, write_record
from pdm_tf.assemble import open_model
from pdm_tf.config import Thresholding

ARGUMENTS = ("pretrained:mnist",)
WEIGHTS = (1.0, 1.5, 2.0, 3.0, 4.0)
THRESHOLDS: tuple[Thresholding, ...] = ("none", "static", "dynamic")


def measure(words: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows: every weight with every thresholding."""
    denoise, real = open_model(words.model).denoiser, TrainingDigits()
    rows = []
    for weight in words.weights:
        for thresholding in THRESHOLDS:
            if weight == 1.0 and thresholding == "dynamic":
                continue  # it sets in under guidance only
            pictures, labels, _ = sample_digits(
                denoise, words.count, words.steps, weight, thresholding
            )
            found = real.compare(pictures, labels)._asdict()
            rows.append({"weight": weight, "thresholding": thresholding, **found})
            print(rows[-1], flush=True)
    return rows


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    header = ("weight w", "thresholding", "recognised", "spread", "recall")
    return table(
        (*header, "FD (digits)"),
        (
            (
                row["weight"],
                row["thresholding"],
                f"{row['accuracy']:.1%}",
                f"{row['spread']:.2f}",
                f"{row['recall']:.2f}",
                f"{row['distance']:.2f}",
            )
            for row in rows
        ),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, records, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model of digits, any way to name one")
    parser.add_argument("--count", type=int, default=300, help="digits a row")
    parser.add_argument("--steps", type=int, default=25, help="steps of DDPM")
    parser.add_argument("--weights", type=float, nargs="+", default=WEIGHTS)
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    rows = measure(words)
    write_record(words.docs / "guidance.json", rows)
    write_page(words.docs / "guidance.md", "guidance", text_of(rows))


if __name__ == "__main__":
    main()
