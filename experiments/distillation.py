"""Measures guidance distilled into adapters (system 27): docs/distillation.md.

Trains the model in OUT, or goes on with it, unless it is complete.

Example: python -m experiments.distillation pretrained:mnist runs/mnist-distilled
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import pdm_tf as pdm
from experiments.digits import BATCH, CLASSES, SHAPE, TrainingDigits
from experiments.distillation_memory import WAYS
from experiments.pages import DOCS, table, write_page, write_record
from experiments.systems import record_system
from pdm_tf.assemble import OpenedModel, derive, open_model
from pdm_tf.config.distillation import GuidanceLoraConfig
from pdm_tf.data.images import to_uint8
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.evaluation import metrics
from pdm_tf.samplers import DDIM

ARGUMENTS = ("pretrained:mnist", "runs/mnist-distilled")
STEPS, WEIGHT = 50, 1.5
PARTS = (64, 8)  # pictures of a training step computed at once
BARS = {"sqnr": 15.0, "accuracy": -0.02, "distance": 1.10, "time": 0.6, "memory": 0.6}
COMMAND = (
    "python -m pdm_tf.distillation guidance_lora --base=pretrained:mnist "
    "--out=runs/mnist-distilled"
)

Draw = Callable[[int], np.ndarray]  # first seed -> float32 [BATCH, H, W, C]


def drawing(model: OpenedModel, weight: float) -> Draw:
    """Samples batches as a run does, weights constant as in an export."""
    labels = tf.range(BATCH) % CLASSES
    denoise = for_sampling(model.denoiser, labels, weight, model.settings.sampling)
    denoise, grid = denoise.with_constant_weights(), denoise.schedule.grid(STEPS)

    def draw(first: int) -> np.ndarray:
        seeds = tf.range(first, first + BATCH)
        return pdm.sample(denoise, DDIM(), grid, seeds, SHAPE).numpy()

    return draw


def sample_in_turn(
    draws: dict[str, Draw], count: int
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """Pictures of the same seeds of each model, and the seconds of every batch."""
    for draw in draws.values():
        draw(0)  # traced, and warm
    pictures: dict[str, list] = {name: [] for name in draws}
    seconds: dict[str, list] = {name: [] for name in draws}
    for first in range(0, count, BATCH):
        for name, draw in draws.items():
            begun = time.perf_counter()
            pictures[name].append(np.clip(draw(first), -1.0, 1.0))
            seconds[name].append(time.perf_counter() - begun)
    return {name: np.concatenate(parts) for name, parts in pictures.items()}, seconds


def measure_sampling(base: OpenedModel, out: str, count: int) -> list[dict[str, Any]]:
    """Rows: the guided base, the base without guidance, the distilled model."""
    draws = {
        "guided": drawing(base, WEIGHT),
        "not guided": drawing(base, 1.0),
        "distilled": drawing(open_model(out), WEIGHT),
    }
    pictures, seconds = sample_in_turn(draws, count)
    real, labels = TrainingDigits(), np.arange(count) % CLASSES
    rows, guided = [], pictures["guided"]
    for name, x in pictures.items():
        pairs = zip(seconds[name], seconds["guided"], strict=True)
        found = real.compare(np.asarray(to_uint8(x)), labels)
        alike = name == "guided"
        each = [metrics.sqnr(guided[i : i + 1], x[i : i + 1]) for i in range(count)]
        row = {
            "model": name,
            "evaluations": 2 if alike else 1,
            "sqnr": None if alike else metrics.sqnr(guided, x),
            "sqnr_of_a_picture": None if alike else float(np.mean(each)),
            "sqnr_centred": None if alike else metrics.sqnr(guided, x, centred=True),
            "accuracy": found.accuracy,
            "distance": found.distance,
            "seconds": float(np.median(seconds[name])) / BATCH,
            "time": float(np.median([own / whole for own, whole in pairs])),
        }
        rows.append(row)
        print(row, flush=True)
    return rows


def measure_memory(model: str, batch: int) -> list[dict[str, Any]]:
    """Rows: bytes of a training step of each way, each in a process of its own."""
    rows = []
    for at_once in PARTS:
        for way in WAYS:
            command = [sys.executable, "-m", "experiments.distillation_memory"]
            words = [model, way, str(batch), str(at_once)]
            done = subprocess.run(
                [*command, *words], capture_output=True, text=True, check=True
            )
            found = json.loads(done.stdout.splitlines()[-1])
            rows.append({"training": way, "batch": batch, "at_once": at_once, **found})
            print(rows[-1], flush=True)
    return rows


def memory_ratios(rows: Sequence[dict[str, Any]]) -> dict[int, float]:
    """Pictures at once -> variables and results, adapters over two models."""
    total = {
        (row["at_once"], row["training"]): row["variables"] + row["results"]
        for row in rows
        if "training" in row
    }
    return {part: total[part, WAYS[0]] / total[part, WAYS[1]] for part in PARTS}


def process_ratio(rows: Sequence[dict[str, Any]]) -> float:
    """What the processes held, adapters over two models, with fewest at once."""
    last = [row for row in rows if row.get("at_once") == PARTS[-1]]
    whole = {row["training"]: row["process"] for row in last}
    return whole[WAYS[0]] / whole[WAYS[1]]


def compared(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """What the bars are for, of the distilled model."""
    named = {row["model"]: row for row in rows if "model" in row}
    guided, own = named["guided"], named["distilled"]
    return {
        "sqnr": own["sqnr"],
        "accuracy": own["accuracy"] - guided["accuracy"],
        "distance": own["distance"] / guided["distance"],
        "time": own["time"],
        "memory": memory_ratios(rows)[PARTS[-1]],
    }


def holds(found: dict[str, float]) -> bool:
    """Whether every bar is met; a time of less than half is the machine's noise."""
    above = ("sqnr", "accuracy")
    return all(
        found[name] >= bar if name in above else found[name] <= bar
        for name, bar in BARS.items()
    )


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """Both tables of the page."""
    header = ("model", "evaluations a step", "SQNR [dB]", "of a picture", "centred")
    models = table(
        (*header, "read as asked", "FD (digits)", "s a picture", "time"),
        (
            (
                row["model"],
                row["evaluations"],
                *(
                    _decibels(row[f"sqnr{of}"])
                    for of in ("", "_of_a_picture", "_centred")
                ),
                f"{row['accuracy']:.1%}",
                f"{row['distance']:.2f}",
                f"{row['seconds']:.3f}",
                f"{row['time']:.2f}",
            )
            for row in rows
            if "model" in row
        ),
    )
    ratios = memory_ratios(rows)
    memory = table(
        ("training", "at once", "variables [MB]", "results [MB]", "both", "process"),
        (
            (
                row["training"],
                f"{row['at_once']} of {row['batch']}",
                *(f"{row[name] / 1e6:.1f}" for name in ("variables", "results")),
                f"{(row['variables'] + row['results']) / 1e6:.1f}",
                f"{row['process'] / 1e6:.0f}",
            )
            for row in rows
            if "training" in row
        ),
    )
    parts = (f"{ratio:.2f} with {part} at once" for part, ratio in ratios.items())
    ratio = ", ".join(parts)
    return f"{models}\n\n{memory}\n\nAdapters over two models: {ratio}."


def _decibels(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def record(rows: Sequence[dict[str, Any]], docs: Path) -> None:
    """Writes the verdict into the table of all systems."""
    found, ratios = compared(rows), memory_ratios(rows)
    record_system(
        27,
        record=docs / "systems.json",
        page=docs / "systems.md",
        command=COMMAND,
        figure=(
            f"SQNR {found['sqnr']:.1f} dB, accuracy {100 * found['accuracy']:+.1f} "
            f"points, FD ratio {found['distance']:.2f}, time {found['time']:.2f} "
            f"times; memory of variables and results {ratios[PARTS[1]]:.2f} times "
            f"with {PARTS[1]} pictures at once (the default), {ratios[PARTS[0]]:.2f} "
            f"with all {PARTS[0]}; of the whole process {process_ratio(rows):.2f} "
            "(TensorFlow's own outweighs this model)"
        ),
        holds=holds(found),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, records, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="a model of digits")
    parser.add_argument("out", help="directory of the distilled model")
    parser.add_argument("--count", type=int, default=1000, help="digits of each model")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    config = GuidanceLoraConfig(guidance=WEIGHT)
    if not derive("guidance_lora", words.base, words.out, config):
        return
    rows = measure_memory(words.base, config.batch_size)
    rows += measure_sampling(open_model(words.base), words.out, words.count)
    write_record(words.docs / "distillation.json", rows)
    write_page(words.docs / "distillation.md", "distillation", text_of(rows))
    record(rows, words.docs)


if __name__ == "__main__":
    main()
