"""Measures what momentum brings at few steps and strong guidance: docs/momentum.md.

Outliers of the samplers of arXiv 2307.11118 beside those of PLMS, and what momentum
costs in accuracy: the error to the solution of 1,000 steps.

Example: python -m experiments.momentum pretrained:mnist
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import pdm_tf as pdm
from experiments.pages import DOCS, table, write_page, write_record
from experiments.systems import record_system
from pdm_tf.assemble import open_model
from pdm_tf.denoisers import Denoiser
from pdm_tf.samplers import DDIM, PLMS, Sampler, sample
from pdm_tf.samplers.momentum import GHVB, HeavyBall

ARGUMENTS = ("pretrained:mnist",)
SYSTEM, GUIDANCE, BEYOND = 31, 4.0, 1.2  # an outlier is farther from 0 than that
SAMPLERS: dict[str, Sampler] = {
    "PLMS, order 2": PLMS(order=2),
    "PLMS, order 4": PLMS(order=4),
    "HB 0.8": HeavyBall(),
    "GHVB 1.8": GHVB(1.8),
}
PLAIN, CALM, EXACT = "PLMS, order 2", "GHVB 1.8", "PLMS, order 4"
FEW, ACCURATE = (5, 10, 15), 20  # steps of outliers, of the error


def outliers(x: np.ndarray, patch_size: int) -> float:
    """Share of patches whose largest value lies beyond the range of the data.

    Args:
      x: float [N, H, W, C] before any threshold.
      patch_size: side P of the patches; it divides H and W.
    """
    count, height, width, channels = x.shape
    rows, columns = height // patch_size, width // patch_size
    cut = x.reshape(count, rows, patch_size, columns, patch_size, channels)
    return float(np.mean(np.abs(cut).max(axis=(2, 4, 5)) > BEYOND))


def measure(
    denoise: Denoiser, patch_size: int, count: int, solution: int
) -> list[dict[str, Any]]:
    """Rows: every sampler, its outliers at few steps, its error at more."""
    labels = np.arange(count) % max(1, denoise.num_classes)
    # Without a threshold, or it would hide how far a sampler overshoots.
    guided = pdm.guided(denoise, labels, GUIDANCE, threshold=None)

    def made(sampler: Sampler, steps: int) -> np.ndarray:
        grid = denoise.schedule.grid(steps)
        x = sample(guided, sampler, grid, range(count), denoise.image_shape)
        return x.numpy()

    exact, rows = made(DDIM(), solution), []
    for name, sampler in SAMPLERS.items():
        row: dict[str, Any] = {"sampler": name}
        for steps in FEW:
            row[f"outliers_{steps}"] = outliers(made(sampler, steps), patch_size)
        error = np.square(made(sampler, ACCURATE) - exact).mean()
        rows.append({**row, "error": float(np.sqrt(error))})
        print(rows[-1], flush=True)
    return rows


def verdict(rows: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """The figure of the system, and whether it holds its bar."""
    by_name = {row["sampler"]: row for row in rows}
    calm, exact = by_name[CALM], by_name[EXACT]

    def ratios(other: dict[str, Any]) -> list[float]:
        names = [f"outliers_{steps}" for steps in FEW]
        return [calm[name] / max(other[name], 1e-12) for name in names]

    plain, error = ratios(by_name[PLAIN]), calm["error"] / exact["error"]
    shown, steep = (
        ", ".join(f"{ratio:.2f}" for ratio in found) for found in (plain, ratios(exact))
    )
    figure = (
        f"outliers over those of PLMS of order 2 at {', '.join(map(str, FEW))} steps: "
        f"{shown} (of order 4: {steep}); error at {ACCURATE} steps {error:.2f} times "
        "that of PLMS of order 4"
    )
    return figure, max(plain) <= 0.5 and error <= 1.5


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    header = [f"outliers, {steps} steps" for steps in FEW]
    return table(
        ("sampler", *header, f"error, {ACCURATE} steps"),
        (
            (
                row["sampler"],
                *(f"{row[f'outliers_{steps}']:.3%}" for steps in FEW),
                f"{row['error']:.4f}",
            )
            for row in rows
        ),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, records, writes the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model with classes, any way to name one")
    parser.add_argument("--count", type=int, default=50, help="pictures")
    parser.add_argument("--solution", type=int, default=1000, help="steps of the exact")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    model = open_model(words.model)
    denoise = model.denoiser.with_constant_weights()
    patch_size = model.settings.network.patch_size
    rows = measure(denoise, patch_size, words.count, words.solution)
    write_record(words.docs / "momentum.json", rows)
    write_page(words.docs / "momentum.md", "momentum", text_of(rows))
    figure, holds = verdict(rows)
    record_system(
        SYSTEM,
        figure=figure,
        holds=holds,
        command=f"python -m experiments.momentum {words.model}",
        record=words.docs / "systems.json",
        page=words.docs / "systems.md",
    )


if __name__ == "__main__":
    main()
