"""Measures guidance distilled into adapters (system 27): docs/distillation.md.

Trains the model of w = 1.5 in OUT, those of other w in OUT-w, and the one that takes w
in OUT-range, or goes on with them, unless they are complete. Rows of other pictures or
models than those measured stay on record.

Example: python -m experiments.distillation pretrained:mnist runs/mnist-distilled
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.digits import BATCH
from experiments.distillation_memory import WAYS
from experiments.distillation_samples import measure_sampling
from experiments.pages import DOCS, read_record, table, write_page, write_record
from experiments.systems import record_system
from pdm_tf.assemble import OpenedModel, derive, open_model
from pdm_tf.assemble.lineage import is_derived
from pdm_tf.config.distillation import GuidanceLoraConfig

ARGUMENTS = ("pretrained:mnist", "runs/mnist-distilled", "--guidance", "1.5", "3")
WEIGHT = 1.5  # that the bars are for
RANGE = (1.0, 4.0)
ONE, INPUT = "distilled", "w as an input"  # names of rows
PARTS = (64, 8)  # pictures of a training step computed at once
BARS = {"sqnr": 15.0, "accuracy": -0.02, "distance": 1.10, "time": 0.6, "memory": 0.6}
COMMAND = (
    "python -m pdm_tf.distillation guidance_lora --base=pretrained:mnist "
    "--out=runs/mnist-distilled"
)


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
    mine = [row for row in rows if row.get("w") == WEIGHT]
    most = max(row["pictures"] for row in mine if row["model"] == ONE)
    guided, own = (
        next(r for r in mine if r["model"] == name and r["pictures"] == most)
        for name in ("guided", ONE)
    )
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
    header = ("w", "digits", "model", "trained", "evaluations a step", "SQNR [dB]")
    models = table(
        (
            *header,
            "of a picture",
            "centred",
            "read as asked",
            "FD (digits)",
            "s a picture",
            "time",
        ),
        (
            (
                f"{row['w']:g}",
                row["pictures"],
                row["model"],
                row["trained"] or "–",
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
            for row in sorted(
                (row for row in rows if "model" in row),
                key=lambda row: (row["w"], -row["pictures"]),
            )
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


def _of_others(rows: Sequence[dict[str, Any]]) -> str:
    """What other w give, and the model that takes w, in words; nothing without."""
    whole = {(r["w"], r["pictures"]): r for r in rows if r.get("model") == "guided"}
    told = [
        f"{row['model']}, w = {row['w']:g}, {row['pictures']} digits: "
        f"SQNR {row['sqnr']:.1f} dB, accuracy "
        f"{100 * (row['accuracy'] - guided['accuracy']):+.1f} points, FD ratio "
        f"{row['distance'] / guided['distance']:.2f}"
        for row in rows
        if row.get("model") == INPUT or (row.get("model") == ONE and row["w"] != WEIGHT)
        for guided in (whole[row["w"], row["pictures"]],)
    ]
    return "".join(f"; {words}" for words in told)


def trained(base: str, out: Path, config: GuidanceLoraConfig) -> OpenedModel | None:
    """The model of a directory, trained there first if it must be; None: stopped."""
    if is_derived(out) or derive("guidance_lora", base, out, config):
        return open_model(str(out))
    return None


def merged(
    old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Rows on record and those measured, which replace theirs."""
    keys = ("training", "at_once", "w", "pictures", "model")

    def key(row: dict[str, Any]) -> tuple:
        return tuple(row.get(name) for name in keys)

    measured = {key(row) for row in new}
    return [*(row for row in old if key(row) not in measured), *new]


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
            f"(TensorFlow's own outweighs this model){_of_others(rows)}"
        ),
        holds=holds(found),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, measures, records, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="a model of digits")
    parser.add_argument("out", help="directory of the distilled model")
    parser.add_argument("--guidance", type=float, nargs="+", default=[WEIGHT], help="w")
    parser.add_argument("--count", type=int, default=1000, help="digits of each model")
    parser.add_argument("--batch", type=int, default=BATCH, help="digits at once")
    parser.add_argument("--students", nargs="+", default=[ONE, INPUT], help="models")
    parser.add_argument("--iterations", type=int, help="of a training; none: as usual")
    parser.add_argument("--no_memory", action="store_true", help="leave it as it is")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    more = {"iterations": words.iterations} if words.iterations else {}
    usual = GuidanceLoraConfig(guidance=WEIGHT, **more)
    rows = read_record(words.docs / "distillation.json")
    if not words.no_memory:
        rows = merged(rows, measure_memory(words.base, usual.batch_size))
    base = open_model(words.base)
    for weight in words.guidance:
        students = {}
        for name in words.students:
            end = "-range" if name == INPUT else f"-{weight:g}" * (weight != WEIGHT)
            config = replace(usual, guidance=weight)
            if name == INPUT:
                config = replace(usual, guidance_range=RANGE)
            found = trained(words.base, Path(f"{words.out}{end}"), config)
            if found is None:
                return
            students[name] = found
        sizes = words.count, words.batch
        rows = merged(rows, measure_sampling(base, students, weight, *sizes))
        write_record(words.docs / "distillation.json", rows)
        write_page(words.docs / "distillation.md", "distillation", text_of(rows))
        record(rows, words.docs)


if __name__ == "__main__":
    main()
