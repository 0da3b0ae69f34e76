"""Measures pictures in 1 to 8 steps (systems 42, 16, 18, baselines): docs/few_steps.md.

Trains its models in OUT, or goes on with them; what was measured there is kept. With
models named, only these are made and measured; rows of the others stay as they are.

Example: python -m experiments.few_steps pretrained:mnist runs/few-steps --models=lcm
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import pdm_tf as pdm
from experiments.digits import BATCH, CLASSES, SHAPE, TrainingDigits
from experiments.few_steps_models import (
    RECIPES,
    WEIGHT,
    make_models,
    nearest,
    operations,
    top_octave_error,
)
from experiments.few_steps_page import (
    verdict,
    verdict_of_mmd,
    verdict_of_slimflow,
    verdict_of_spectral,
    write,
)
from experiments.few_steps_ways import (
    ASKED,
    COMMANDS,
    COUNT,
    DECIDING,
    LCM,
    MANY,
    MMD,
    ONE,
    SETS,
    SHEET,
    SHOWN,
    SHOWN_WAYS,
    SLIM,
    SLIM_STEPS,
    STYLED,
    TEACHER,
    Way,
)
from experiments.pages import (
    DOCS,
    read_record,
    write_record,
)
from experiments.systems import record_system
from experiments.thick_digits import thickness, tune
from pdm_tf.assemble import OpenedModel, derive, open_model
from pdm_tf.config.adapters import AddConfig
from pdm_tf.data.images import save_png, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.samplers import SAMPLERS, SPACINGS
from pdm_tf.storage.arrays import read_arrays, write_arrays

ARGUMENTS = ("pretrained:mnist", "runs/few-steps")


def drawing(model: OpenedModel, sampler: str, steps: int) -> Callable[[int], Any]:
    """First seed -> uint8 [BATCH, H, W, C], the classes in turn, as a run samples."""
    labels = tf.range(BATCH) % CLASSES
    denoise = for_sampling(model.denoiser, labels, WEIGHT, model.settings.sampling)
    denoise = denoise.with_constant_weights()
    grid = denoise.schedule.grid(steps, SPACINGS[sampler])

    def draw(first: int) -> np.ndarray:
        seeds = tf.range(first, first + BATCH)
        x = pdm.sample(denoise, SAMPLERS[sampler](), grid, seeds, SHAPE)
        return to_uint8(x).numpy()

    return draw


def drawn(
    cache: Path, model: OpenedModel, way: Way, steps: int, count: int
) -> np.ndarray:
    """Pictures of seeds 0 … count - 1, kept in a file for the next time."""
    file = cache / f"{way.model}-{way.sampler}-{steps}.safetensors"
    kept = read_arrays(file)["x"] if file.is_file() else np.zeros((0, *SHAPE), np.uint8)
    if len(kept) < count:
        draw = drawing(model, way.sampler, steps)
        new = [draw(first) for first in range(len(kept), count, BATCH)]
        kept = np.concatenate([kept, *new])
        write_arrays(file, {"x": kept})
    return kept[:count]


def measure(
    way: Way, steps: int, pictures: np.ndarray, real: TrainingDigits, guided: bool
) -> dict[str, Any]:
    """A row: means over sets of COUNT pictures, the distance of each set beside."""
    sets = pictures.reshape(-1, COUNT, *SHAPE)
    labels = np.arange(COUNT) % CLASSES
    found = [real.compare(part, labels) for part in sets]
    return {
        "way": way.name,
        "steps": steps,
        "calls": steps * (2 if guided else 1),
        "distance": float(np.mean([row.distance for row in found])),
        "distances": [row.distance for row in found],
        "accuracy": float(np.mean([row.accuracy for row in found])),
        "recall": float(np.mean([row.recall for row in found])),
    }


def measure_all(
    models: dict[str, OpenedModel],
    asked: Sequence[tuple[Way, int]],
    out: Path,
    file: Path,
) -> list[dict[str, Any]]:
    """Rows of ways at numbers of steps, those on record kept."""
    rows = read_record(file)
    real = TrainingDigits()
    for way, steps in asked:
        if way.model not in models:
            continue
        if any((row.get("way"), row.get("steps")) == (way.name, steps) for row in rows):
            continue
        sets = SETS if (way.name, steps) in DECIDING else 1
        model = models[way.model]
        pictures = drawn(out / "pictures", model, way, steps, sets * COUNT)
        guided = model.denoiser.distilled_guidance is None
        rows.append(measure(way, steps, pictures, real, guided))
        print(rows[-1], flush=True)
        write_record(file, rows)
    return rows


def measure_style(base: str, out: Path, fast: str) -> dict[str, Any]:
    """How thick digits are: of a tuned model in many steps, and with the adapter."""
    thick = tune(base, out)
    added = out / "thick-lcm"
    config = AddConfig(adapter=(fast,))
    derive("add", thick, added, config)
    tuned = open_model(thick)
    many = drawn(out / "pictures", tuned, Way("", "thick", "ddim"), MANY, STYLED)
    few = drawn(
        out / "pictures", open_model(added), Way("", "thick-lcm", "lcm"), 4, STYLED
    )
    plain = drawn(out / "pictures", tuned, Way("", "base", "ddim"), MANY, STYLED)
    found = {"tuned": many, "added": few, "base": plain}
    row: dict[str, Any] = {"style": "thick digits", "pictures": STYLED}
    for name, pictures in found.items():
        each = thickness(pictures)
        row[name] = float(each.mean())
        row[f"{name}_error"] = float(each.std() / np.sqrt(len(each)))
    return row


def measure_once(file: Path, key: str, make: Callable[[], dict[str, Any]]) -> None:
    """Adds a row with this key to the record where there is none."""
    rows = read_record(file)
    if not any(key in row for row in rows):
        write_record(file, [*rows, make()])


def share_of(model: OpenedModel, base: OpenedModel) -> float:
    """Parameters of the adapter over those of the base."""
    whole = count_parameters(model.denoiser.variables)
    own = count_parameters(base.denoiser.variables)
    return (whole - own) / own


def measure_slim(models: dict[str, OpenedModel], out: Path) -> dict[str, Any]:
    """Operations and spectra of both slim students."""
    source = open_source("mnist", SHAPE, CLASSES)
    real, _ = source.read(np.arange(len(source)))
    whole, rows = operations(models["base"]), {}
    for way in SLIM:
        pictures = drawn(out / "pictures", models[way.model], way, SLIM_STEPS, COUNT)
        rows[way.name] = {
            "share": operations(models[way.model]) / whole,
            "error": top_octave_error(pictures, real),
        }
    return {"top_octave": rows}


def measure_nearest(models: dict[str, OpenedModel], out: Path) -> dict[str, Any]:
    """Whether what is tuned repeats training digits more than its base does."""
    source = open_source("mnist", SHAPE, CLASSES)
    real, _ = source.read(np.arange(len(source)))
    row: dict[str, Any] = {"nearest": True}
    for name, way, steps in (
        ("mmd", MMD, 5),
        ("base", TEACHER[0], 5),
        ("many", TEACHER[0], MANY),
    ):
        pictures = drawn(out / "pictures", models[way.model], way, steps, COUNT)
        row[name] = nearest(pictures, real)
    return row


def draw_sheet(
    models: dict[str, OpenedModel], ways: Sequence[Way], out: Path, file: Path
) -> None:
    """One row a way; columns of SHOWN digits in 1, 2, 4 and 8 steps, the same seeds."""
    rows = {
        way.name: np.concatenate(
            [
                drawn(out / "pictures", models[way.model], way, steps, COUNT)[:SHOWN]
                for steps in SHEET
            ]
        )
        for way in ways
    }
    save_png(file, named_rows(rows))


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, records, writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", help="a model of digits")
    parser.add_argument("out", type=Path, help="directory of what is trained")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    parser.add_argument(
        "--models", default=",".join(RECIPES), help="those that are made and measured"
    )
    words = parser.parse_args(argv)
    out, names = words.out, words.models.split(",")
    models = make_models(words.base, out, names)
    if models is None:
        return
    file = words.docs / "few_steps.json"
    if "lcm" in models:
        fast = models["lcm"]
        share = {"share": share_of(fast, models["base"])}
        measure_once(file, "share", lambda: share)
        measure_once(
            file, "style", lambda: measure_style(words.base, out, str(fast.path))
        )
    rows = measure_all(models, ASKED, out, file)
    if "mmd-5" in models:
        measure_once(file, "nearest", lambda: measure_nearest(models, out))
    if {"slim", "spectral"} <= models.keys():
        measure_once(file, "top_octave", lambda: measure_slim(models, out))
    if "slimflow-annealed" in models:
        part = operations(models["slimflow-annealed"]) / operations(models["base"])
        measure_once(file, "flow_share", lambda: {"flow_share": part})
    rows = read_record(file)
    shown = [way for way in SHOWN_WAYS if way.model in models]
    shown = [way for way in shown if (out / "pictures" / first_of(way)).is_file()]
    draw_sheet(models, shown, out, words.docs / "images" / "few_steps.png")
    write(words.docs)
    if words.docs == DOCS:
        record_all(rows)


def first_of(way: Way) -> str:
    """The file of its pictures in one step, which the sheet begins with."""
    return f"{way.model}-{way.sampler}-1.safetensors"


def record_all(rows: Sequence[dict[str, Any]]) -> None:
    """Records every system that was measured."""
    named = {row.get("way") for row in rows}
    for number, way, judge in (
        (42, LCM, verdict),
        (15, ONE[1], verdict_of_slimflow),
        (16, MMD, verdict_of_mmd),
        (18, SLIM[1], verdict_of_spectral),
    ):
        if way.name in named:
            figure, holds = judge(rows)
            record_system(number, command=COMMANDS[number], figure=figure, holds=holds)


if __name__ == "__main__":
    main()
