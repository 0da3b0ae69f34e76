"""Pictures of distilled models beside those of their guided base, of the same seeds."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import pdm_tf as pdm
from experiments.digits import BATCH, CLASSES, SHAPE, TrainingDigits
from pdm_tf.assemble import OpenedModel
from pdm_tf.data.images import to_uint8
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.evaluation import metrics
from pdm_tf.samplers import DDIM

STEPS = 50

Draw = Callable[[int], np.ndarray]  # first seed -> float32 [batch, H, W, C]


def drawing(model: OpenedModel, weight: float, batch: int = BATCH) -> Draw:
    """Samples batches as a run does, weights constant as in an export."""
    labels = tf.range(batch) % CLASSES
    denoise = model.denoiser.with_constant_weights()
    denoise = for_sampling(denoise, labels, weight, model.settings.sampling)
    grid = denoise.schedule.grid(STEPS)

    def draw(first: int) -> np.ndarray:
        seeds = tf.range(first, first + batch)
        return pdm.sample(denoise, DDIM(), grid, seeds, SHAPE).numpy()

    return draw


def sample_in_turn(
    draws: dict[str, Draw], count: int, batch: int
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """Pictures of the same seeds of each model, and the seconds of every batch."""
    for draw in draws.values():
        draw(0)  # traced, and warm
    pictures: dict[str, list] = {name: [] for name in draws}
    seconds: dict[str, list] = {name: [] for name in draws}
    for first in range(0, count, batch):
        for name, draw in draws.items():
            begun = time.perf_counter()
            pictures[name].append(np.clip(draw(first), -1.0, 1.0))
            seconds[name].append(time.perf_counter() - begun)
    return {name: np.concatenate(parts) for name, parts in pictures.items()}, seconds


def _steps_of(student: OpenedModel) -> int:
    return student.lineage[-1]["settings"]["iterations"]


def measure_sampling(
    base: OpenedModel,
    students: dict[str, OpenedModel],
    weight: float,
    count: int,
    batch: int = BATCH,
) -> list[dict[str, Any]]:
    """Rows: the guided base, the base without guidance, and models that guide at once.

    Args:
      base: a model of digits.
      students: by names for the table.
      weight: w, for all of them.
      count: pictures of each; a multiple of `batch`.
      batch: pictures drawn at once.
    """
    draws = {
        "guided": drawing(base, weight, batch),
        "not guided": drawing(base, 1.0, batch),
    }
    draws |= {name: drawing(model, weight, batch) for name, model in students.items()}
    pictures, seconds = sample_in_turn(draws, count, batch)
    real, labels = TrainingDigits(), np.arange(count) % CLASSES
    rows, guided = [], pictures["guided"]
    for name, x in pictures.items():
        pairs = zip(seconds[name], seconds["guided"], strict=True)
        found = real.compare(np.asarray(to_uint8(x)), labels)
        alike = name == "guided"
        each = [metrics.sqnr(guided[i : i + 1], x[i : i + 1]) for i in range(count)]
        row = {
            "w": weight,
            "pictures": count,
            "model": name,
            "trained": _steps_of(students[name]) if name in students else None,
            "evaluations": 2 if alike else 1,
            "sqnr": None if alike else metrics.sqnr(guided, x),
            "sqnr_of_a_picture": None if alike else float(np.mean(each)),
            "sqnr_centred": None if alike else metrics.sqnr(guided, x, centred=True),
            "accuracy": found.accuracy,
            "distance": found.distance,
            "seconds": float(np.median(seconds[name])) / batch,
            "time": float(np.median([own / whole for own, whole in pairs])),
        }
        rows.append(row)
        print(row, flush=True)
    return rows
