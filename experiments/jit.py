"""Measures patch transformers beside the U-Net on digits: docs/jit.md.

Example: python -m experiments.jit pretrained:mnist runs/jit_mnist
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.digits import TrainingDigits, sample_digits
from experiments.pages import DOCS, table, write_page, write_record
from pdm_tf.assemble import open_model
from pdm_tf.data.images import save_png
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.profiling.flops import count_denoise_flops
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.samplers import open_sampler

# Sampler and steps, of about as many evaluations.
WAYS = (("ddim", 20), ("ddim", 50), ("linear_heun", 10), ("linear_heun", 25))


SHOWN = 20  # digits of each row on the sheet


def way(text: str) -> tuple[str, int]:
    """A sampler and its steps, as SAMPLER:STEPS."""
    name, _, steps = text.partition(":")
    return name, int(steps)


def measure(words: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows: every model in every way; the sheet shows them in this order."""
    real, rows = TrainingDigits(), []
    shown: dict[str, Any] = {}
    for path in words.models:
        opened = open_model(path)
        network = opened.denoiser.map_innermost(lambda d: d).network
        flops = count_denoise_flops(network, opened.denoiser.image_shape) or 0
        said = {
            "model": Path(path).name,
            "network": opened.settings.network.architecture,
            "process": opened.settings.diffusion.process,
            "parameters": count_parameters(opened.denoiser.variables),
            "gflop": flops / 1e9,
        }
        thresholding = opened.settings.sampling.thresholding
        for name, steps in words.ways:
            pictures, labels, _ = sample_digits(
                opened.denoiser,
                words.count,
                steps,
                thresholding=thresholding,
                sampler=open_sampler(name),
            )
            found = real.compare(pictures, labels)._asdict()
            shown[f"{said['model']}, {name}"] = pictures[:SHOWN]
            rows.append({**said, "sampler": name, "steps": steps, **found})
            print(rows[-1], flush=True)
    save_png(words.docs / "images" / "jit.png", named_rows(shown))
    return rows


def text_of(rows: Sequence[dict[str, Any]], count: int) -> str:
    """The table of the page."""
    header = ("model", "network", "parameters", "GFLOP a call", "sampler", "steps")
    made = table(
        (*header, "recognised", "spread", "recall", "FD (digits)"),
        (
            (
                row["model"],
                f"{row['network']}, {row['process']}",
                f"{row['parameters']:,}",
                f"{row['gflop']:.3f}",
                row["sampler"],
                row["steps"],
                f"{row['accuracy']:.1%}",
                f"{row['spread']:.2f}",
                f"{row['recall']:.2f}",
                f"{row['distance']:.2f}",
            )
            for row in rows
        ),
    )
    return f"{count:,} digits of each row, w = 1.5.\n\n{made}"


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, records, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="models of digits")
    parser.add_argument("--count", type=int, default=1000, help="digits a row")
    parser.add_argument("--ways", type=way, nargs="*", default=WAYS)
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    rows = measure(words)
    write_record(words.docs / "jit.json", rows)
    write_page(words.docs / "jit.md", "jit", text_of(rows, words.count))


if __name__ == "__main__":
    main()
