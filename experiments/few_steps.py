"""Measures pictures in 1 to 8 steps (systems 42, 16, 18, baselines): docs/few_steps.md.

Trains its models in OUT, or goes on with them; what was measured there is kept. With
models named, only these are made and measured; rows of the others stay as they are.

Example: python -m experiments.few_steps pretrained:mnist runs/few-steps --models=lcm
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

import pdm_tf as pdm
from experiments.digits import BATCH, CLASSES, SHAPE, TrainingDigits
from experiments.few_steps_models import (
    CHAIN,
    RECIPES,
    WEIGHT,
    make_models,
    nearest,
    operations,
    top_octave_error,
)
from experiments.pages import (
    DOCS,
    read_record,
    table,
    write_page,
    write_record,
)
from experiments.systems import Verdict, record_system
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
MANY, FEW = 50, (1, 2, 4, 5, 8)
COUNT, SETS = 1000, 3  # pictures of a distance, and distances where it decides
STYLED = 200  # pictures whose strokes are measured
SHEET = (1, 2, 4, 8)  # steps on the sheet
SHOWN = 5  # pictures of a method at each number of steps


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
GUIDED = Way("distilled guidance, trailing", "guided", "ddim_trailing")
MMD = Way("MMD-DDM, made for 5", "mmd-5", "ddim_trailing")
TUNED = Way("LCM-LoRA + MMD, made for 2", "mmd-lcm-2", "lcm")
SLIM = (
    Way("plain slim", "slim", "dpm_solver"),
    Way("spectral", "spectral", "dpm_solver"),
)
SLIM_STEPS = 10
ONE = (
    Way("naive reflow, one step", "slimflow-naive", "ddim"),
    Way("SlimFlow, one step", "slimflow-annealed", "ddim"),
)
STRAIGHT = (
    Way("naive reflow", "straight-naive", "ddim"),
    Way("annealed reflow", "straight-annealed", "ddim"),
)
HALVED = tuple(
    Way(f"progressive, made for {n}", f"progressive-{n}", "ddim_trailing")
    for n in CHAIN
)
WAYS = (LCM, *TEACHER, GUIDED, MMD, TUNED)
DECIDING = {("DDIM", 4), ("LCM-LoRA", 4), ("DDIM", 5), (MMD.name, 5)}
DECIDING |= {(way.name, SLIM_STEPS) for way in SLIM}
DECIDING |= {(way.name, 1) for way in ONE}
ASKED = [(LCM, 4), (TEACHER[0], 4), (TEACHER[0], MANY)]  # those that decide
ASKED += [(way, 1) for way in ONE] + [(way, n) for way in STRAIGHT for n in (1, 4)]
ASKED += [(way, SLIM_STEPS) for way in SLIM]
ASKED += [(MMD, 5), (TEACHER[0], 5), (TEACHER[0], 10)]
ASKED += [(way, steps) for way in (*WAYS, *HALVED) for steps in FEW]
COMMANDS = {
    15: "python -m pdm_tf.distillation slimflow --base=MODEL --out=DIR",
    16: "python -m pdm_tf.distillation mmd --base=MODEL --out=DIR",
    18: "python -m pdm_tf.distillation spectral --base=MODEL --out=DIR",
    42: "python -m pdm_tf.distillation lcm_lora --base=pretrained:mnist --out=DIR",
}


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


def found(rows: Sequence[dict[str, Any]], way: str, steps: int) -> float:
    """The mean distance of a row."""
    own = (r for r in rows if (r.get("way"), r.get("steps")) == (way, steps))
    return next(own)["distance"]


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The tables of the page."""
    apart = {way.name for way in (*SLIM, *ONE, *STRAIGHT)}
    named = (row["way"] for row in rows if "way" in row)
    ways = [name for name in dict.fromkeys(named) if name not in apart]
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
        *(_slim(row) for row in rows if "top_octave" in row),
        *(
            f"{row['way']}, steps: {row['steps']}, of {SETS} sets: "
            f"{_list(row['distances'])}."
            for row in rows
            if len(row.get("distances", ())) > 1 and row["steps"] != MANY
        ),
        *(
            f"Distance to the nearest training digit [RMS]: {row['mmd']:.4f} of "
            f"MMD-DDM in 5 steps, {row['base']:.4f} of DDIM in 5, "
            f"{row['many']:.4f} in {MANY}."
            for row in rows
            if "nearest" in row
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


def _slim(row: dict[str, Any]) -> str:
    """A sentence on slim students."""
    each = (
        f"{name}: {found['share']:.3f} of the operations, error of the log power in "
        f"the top octave {found['error']:.3f}"
        for name, found in row["top_octave"].items()
    )
    return f"Slim students, DPM-Solver++ in {SLIM_STEPS} steps. {'; '.join(each)}."


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


def verdict_of_mmd(rows: Sequence[dict[str, Any]]) -> tuple[str, Verdict]:
    """What is said of system 16, and whether it holds its bars."""
    own, few = (distances(rows, name, 5) for name in (MMD.name, "DDIM"))
    ratio, more = own.mean() / few.mean(), own.mean() / found(rows, "DDIM", 10)
    parts = [each.std(ddof=1) / each.mean() / np.sqrt(SETS) for each in (own, few)]
    error = ratio * np.hypot(*parts)
    near = next(row for row in rows if "nearest" in row)
    said = (
        f"5 steps, one evaluation each: FD {own.mean():.2f} (mean of {SETS} sets), "
        f"{ratio:.3f} ± {error:.3f} times DDIM-5 and {more:.2f} times DDIM-10, which "
        f"take two; the nearest training digit at {near['mmd']:.3f} (DDIM-5: "
        f"{near['base']:.3f})"
    )
    if abs(ratio - 0.6) < 2.0 * error:
        return said, "undecided"
    return said, bool(ratio <= 0.6 and more <= 1.0 and near["mmd"] >= near["base"])


def distances(rows: Sequence[dict[str, Any]], way: str, steps: int) -> np.ndarray:
    """The distance of each set of a row."""
    own = (r for r in rows if (r.get("way"), r.get("steps")) == (way, steps))
    return np.array(next(own)["distances"])


def verdict_of_slimflow(rows: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """What is said of system 15, and whether it holds its bars."""
    naive, own = (found(rows, way.name, 1) for way in ONE)
    many = found(rows, "DDIM", MANY)
    share = next(row["flow_share"] for row in rows if "flow_share" in row)
    steps = RECIPES["slimflow-annealed"].config.iterations
    said = (
        f"{share:.3f} of the operations, 1 step, twice {steps} training steps: FD "
        f"{own:.1f}, {own / many:.2f} times DDIM-50 and {own / naive:.2f} times naive "
        f"reflow (means of {SETS} sets)"
    )
    return said, own <= 1.5 * many and own <= 0.8 * naive and share <= 0.25


def verdict_of_spectral(rows: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """What is said of system 18, and whether it holds its bars."""
    plain, own = (found(rows, way.name, SLIM_STEPS) for way in SLIM)
    row = next(row for row in rows if "top_octave" in row)["top_octave"]
    was, is_now = (row[way.name]["error"] for way in SLIM)
    share = row[SLIM[1].name]["share"]
    steps = RECIPES["spectral"].config.iterations
    said = (
        f"{share:.3f} of the operations of the digits model (not of the wide one), "
        f"{steps:,} steps each, one seed of training: FD {own:.1f} over {plain:.1f} of "
        f"plain slim ({own / plain:.2f}; means of {SETS} sets); error of "
        f"the log power in the top octave {is_now / was - 1.0:+.0%}"
    )
    return said, own <= 0.9 * plain and is_now <= 0.75 * was and share <= 0.125


def verdict(rows: Sequence[dict[str, Any]]) -> tuple[str, bool]:
    """What is said of system 42, and whether it holds its bars."""
    own = found(rows, LCM.name, 4)
    to_many, to_few = own / found(rows, "DDIM", MANY), own / found(rows, "DDIM", 4)
    share = next(row["share"] for row in rows if "share" in row)
    style = next(row for row in rows if "style" in row)
    thick = style["added"] / style["tuned"] - 1.0
    said = (
        f"4 steps: FD {own:.2f} (mean of {SETS} sets), {to_many:.2f} "
        f"times DDIM-50 and {to_few:.2f} times DDIM-4; {share:.1%} of the parameters; "
        f"added to thick digits: strokes {thick:+.1%}"
    )
    holds = to_many <= 1.3 and to_few <= 0.5 and share <= 0.2 and abs(thick) <= 0.1
    return said, holds


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
    shown = [way for way in WAYS if way.model in models]
    shown = [way for way in shown if (out / "pictures" / first_of(way)).is_file()]
    draw_sheet(models, shown, out, words.docs / "images" / "few_steps.png")
    write_page(words.docs / "few_steps.md", "few_steps", text_of(rows))
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
