"""Measures pictures in 1 to 8 steps (systems 42 and baselines): docs/few_steps.md.

Trains its models in OUT, or goes on with them; what was measured there is kept.

Example: python -m experiments.few_steps pretrained:mnist runs/few-steps
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import pdm_tf as pdm
from experiments.digits import BATCH, CLASSES, SHAPE, TrainingDigits
from experiments.pages import (
    DOCS,
    read_record,
    table,
    write_page,
    write_record,
)
from experiments.systems import record_system
from experiments.thick_digits import thickness, tune
from pdm_tf.assemble import OpenedModel, derive, open_model
from pdm_tf.config.adapters import AddConfig
from pdm_tf.config.distillation import LcmLoraConfig
from pdm_tf.data.images import contact_sheet, save_png, to_uint8
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.samplers import SAMPLERS, SPACINGS
from pdm_tf.storage.arrays import read_arrays, write_arrays

ARGUMENTS = ("pretrained:mnist", "runs/few-steps")
WEIGHT, MANY, FEW = 1.5, 50, (1, 2, 4, 8)
COUNT, SETS = 1000, 3  # pictures of a distance, and distances where it decides
STYLED = 200  # pictures whose strokes are measured
SHOWN = 5  # pictures of a method at each number of steps
COMMAND = "python -m pdm_tf.distillation lcm_lora --base=pretrained:mnist --out=DIR"


class Way(NamedTuple):
    """A way to sample: which model, by which sampler."""

    name: str  # in the table
    model: str
    sampler: str


TEACHER = (
    Way("DDIM", "base", "ddim"),
    Way("DPM-Solver++", "base", "dpm_solver"),
    Way("DDIM, trailing", "base", "ddim_trailing"),
)
LCM = Way("LCM-LoRA", "lcm", "lcm")
CHAIN = (8, 4, 2, 1)  # steps of the models of progressive distillation
DECIDING = {("DDIM", 4), ("LCM-LoRA", 4)}


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
    models: dict[str, OpenedModel], ways: Sequence[Way], out: Path, file: Path
) -> list[dict[str, Any]]:
    """Rows of all ways at all numbers of steps, those on record kept."""
    rows = read_record(file)
    real = TrainingDigits()
    asked = [(LCM, 4), (TEACHER[0], 4), (TEACHER[0], MANY)]  # those that decide
    asked += [(way, steps) for way in ways for steps in FEW]
    for way, steps in asked:
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


def found(rows: Sequence[dict[str, Any]], way: str, steps: int) -> float:
    """The mean distance of a row."""
    own = (r for r in rows if (r.get("way"), r.get("steps")) == (way, steps))
    return next(own)["distance"]


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The tables of the page."""
    ways = list(dict.fromkeys(row["way"] for row in rows if "way" in row))
    header = [
        "Fréchet distance (read as asked)",
        *(f"{n} step{'s' * (n > 1)}" for n in FEW),
        "calls a step",
    ]
    lines = []
    for way in ways:
        own = {row["steps"]: row for row in rows if row.get("way") == way}
        cells = [_cell(own[n]) if n in own else "" for n in FEW]
        some = next(iter(own.values()))
        lines.append([way, *cells, some["calls"] // some["steps"]])
    many = next(row for row in rows if row.get("steps") == MANY)
    parts = [
        table(header, lines),
        f"DDIM in {MANY} steps, two calls each: {_cell(many)}.",
        *(
            f"{row['way']} in {row['steps']} steps, of {SETS} sets: "
            f"{_list(row['distances'])}."
            for row in rows
            if len(row.get("distances", ())) > 1 and row["steps"] != MANY
        ),
    ]
    for row in rows:
        if "style" in row:
            parts.append(_style(row))
        if "share" in row:
            parts.append(f"The adapter has {row['share']:.1%} of the parameters.")
    return "\n\n".join(parts)


def _cell(row: dict[str, Any]) -> str:
    return f"{row['distance']:.1f} ({row['accuracy']:.1%})"


def _list(distances: Sequence[float]) -> str:
    return ", ".join(f"{distance:.2f}" for distance in distances)


def _style(row: dict[str, Any]) -> str:
    return table(
        (row["style"], "stroke [pixels]"),
        (
            (title, f"{row[name]:.2f} ± {row[f'{name}_error']:.2f}")
            for title, name in (
                (f"tuned model, {MANY} steps", "tuned"),
                ("tuned model + adapter, 4 steps", "added"),
                (f"base, {MANY} steps", "base"),
            )
        ),
    )


def verdict(rows: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """What is said of system 42, and whether it holds its bars."""
    own = found(rows, LCM.name, 4)
    to_many, to_few = own / found(rows, "DDIM", MANY), own / found(rows, "DDIM", 4)
    share = next(row["share"] for row in rows if "share" in row)
    style = next(row for row in rows if "style" in row)
    thick = style["added"] / style["tuned"] - 1.0
    said = (
        f"4 steps: FD {own:.2f} (mean of {SETS} sets of {COUNT:,}), {to_many:.2f} "
        f"times DDIM-50 and {to_few:.2f} times DDIM-4; {share:.1%} of the parameters; "
        f"added to thick digits: strokes {thick:+.1%}"
    )
    holds = to_many <= 1.3 and to_few <= 0.5 and share <= 0.2 and abs(thick) <= 0.1
    return said, holds


def draw_sheet(
    models: dict[str, OpenedModel], ways: Sequence[Way], out: Path, file: Path
) -> None:
    """One row a way; columns of SHOWN digits in 1, 2, 4 and 8 steps, the same seeds."""
    rows = [
        drawn(out / "pictures", models[way.model], way, steps, COUNT)[:SHOWN]
        for way in ways
        for steps in FEW
    ]
    save_png(file, contact_sheet(np.concatenate(rows), SHOWN * len(FEW)))


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, records, writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", help="a model of digits")
    parser.add_argument("out", type=Path, help="directory of what is trained")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    out, fast = words.out, str(words.out / "lcm")
    if not derive("lcm_lora", words.base, fast, LcmLoraConfig(guidance=WEIGHT)):
        return
    models = {"base": open_model(words.base), "lcm": open_model(fast)}
    ways = (LCM, *TEACHER)
    file = words.docs / "few_steps.json"
    measure_once(
        file, "share", lambda: {"share": share_of(models["lcm"], models["base"])}
    )
    measure_all(models, (), out, file)
    measure_once(file, "style", lambda: measure_style(words.base, out, fast))
    rows = measure_all(models, ways, out, file)
    draw_sheet(models, ways, out, words.docs / "images" / "few_steps.png")
    write_page(words.docs / "few_steps.md", "few_steps", text_of(rows))
    if words.docs == DOCS:
        figure, holds = verdict(rows)
        record_system(42, command=COMMAND, figure=figure, holds=holds)


if __name__ == "__main__":
    main()
