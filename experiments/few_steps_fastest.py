"""Races few steps against 250 of DDPM: pictures a second at equal distance.

A part of docs/few_steps.md: needs what `experiments.few_steps` trained in OUT, and
writes its rows into docs/few_steps.json, and the page. All take turns in one process;
stopped, it goes on with the turns that are missing.

Example: python -m experiments.few_steps_fastest pretrained:mnist runs/few-steps
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import few_steps_page
from experiments.digits import CLASSES, SHAPE
from experiments.few_steps_models import WEIGHT
from experiments.int8_pictures import ratio_with_interval
from experiments.pages import DOCS, read_record, write_record
from pdm_tf.assemble import derive, export_network
from pdm_tf.assemble.generators import open_generator
from pdm_tf.config import ExportConfig
from pdm_tf.config.acceleration import DeepCacheConfig
from pdm_tf.data.sources import open_source
from pdm_tf.evaluation.bootstrap import frechet_with_interval
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics import accuracy, gaussian_of
from pdm_tf.serving.generator import ImageGenerator
from pdm_tf.storage.arrays import read_arrays, write_arrays

BATCH, TURNS = 64, 12  # pictures of a turn; 768 in all
AGAIN = 3  # how often what is quick is timed in a turn
LEAST_DECIBELS = 12.0  # of an export; re-noising lets pictures become others
ARGUMENTS = ("pretrained:mnist", "runs/few-steps")


class Entrant(NamedTuple):
    """What takes a turn: a model, in which runtime, and how it samples."""

    name: str
    model: str  # in OUT, or "base"
    precision: str  # of OpenVINO; empty: TensorFlow, float32
    sampler: str
    steps: int
    evaluations: int  # of the network, for a picture
    cached: bool = False


SLOW = Entrant("DDPM, guided", "base", "", "ddpm", 250, 500)
ENTRANTS = (
    SLOW,
    Entrant("DPM-Solver++, guided", "base", "", "dpm_solver", 5, 10),
    Entrant("LCM-LoRA", "lcm", "", "lcm", 4, 4),
    Entrant("LCM-LoRA, cached", "lcm", "", "lcm", 4, 4, cached=True),
    *(
        Entrant(f"LCM-LoRA, {precision}", "lcm", precision, "lcm", steps, steps)
        for precision, steps in (
            *(("float32", 4), ("int8", 4), ("int8_bfloat16", 4)),
            *(("int8_bfloat16", 3), ("int8_bfloat16", 2)),
        )
    ),
)


def opened(entrant: Entrant, base: str, out: Path) -> ImageGenerator:
    """Its generator, as sample.py opens it; cached and exported where it is not yet."""
    model = base if entrant.model == "base" else str(out / entrant.model)
    if entrant.cached:
        place = out / f"{entrant.model}-cached"
        derive("deepcache", model, place, DeepCacheConfig(every=2, live_blocks=1))
        model = str(place)
    if entrant.precision:
        place = out / f"{entrant.model}-{entrant.precision}"
        if not place.is_dir():
            given: dict[str, Any] = {
                "precision": entrant.precision,
                "export_dir": str(place),
            }
            config = ExportConfig(model=model, format="openvino", **given)
            export_network(replace(config, min_sqnr=LEAST_DECIBELS), {})
        model = str(place)
    return open_generator("model", model)


def take_turns(base: str, out: Path) -> None:
    """Pictures and seconds of every turn that is not kept yet."""
    generators = {e: opened(e, base, out) for e in ENTRANTS}
    for e, generator in generators.items():  # graphs are made, kernels are compiled
        _draw(e._replace(steps=2), generator, 0)
    for turn in range(TURNS):
        if all(file_of(out, e, turn).is_file() for e in generators):
            continue
        for e, generator in generators.items():
            drawn = [
                _draw(e, generator, turn) for _ in range(1 if e is SLOW else AGAIN)
            ]
            clock, processor = np.median([seconds for _, *seconds in drawn], axis=0)
            kept = {"x": drawn[0][0], "seconds": np.array([clock, processor])}
            write_arrays(file_of(out, e, turn), kept)
            print(
                turn, e.name, e.steps, f"{processor / BATCH * 1e3:.2f} ms", flush=True
            )


def _draw(
    e: Entrant, generator: ImageGenerator, turn: int
) -> tuple[np.ndarray, float, float]:
    seeds = np.arange(turn * BATCH, (turn + 1) * BATCH, dtype=np.int32)
    begun = time.perf_counter(), time.process_time()
    x = generator.generate(seeds, seeds % CLASSES, str(e.steps), WEIGHT, e.sampler)
    return x, time.perf_counter() - begun[0], time.process_time() - begun[1]


def file_of(out: Path, e: Entrant, turn: int) -> Path:
    """Where the pictures of a turn are."""
    kind = f"{e.model}-{e.precision or 'tensorflow'}{'-cached' * e.cached}"
    return out / "race" / f"{kind}-{e.sampler}-{e.steps}-{turn}.safetensors"


def judge(out: Path) -> dict[str, Any]:
    """The race as a row of the record."""
    source = open_source("mnist", SHAPE, CLASSES)
    extract = open_features("digits")
    real = gaussian_of(source.read(np.arange(len(source)))[0], extract)
    turns = {
        e: [read_arrays(file_of(out, e, turn)) for turn in range(TURNS)]
        for e in ENTRANTS
    }
    pictures = {e: np.concatenate([t["x"] for t in own]) for e, own in turns.items()}
    seconds = {e: np.array([t["seconds"] for t in own]) for e, own in turns.items()}
    labels, rows = np.arange(BATCH * TURNS) % CLASSES, []
    for e in ENTRANTS:
        distance = frechet_with_interval(pictures[e], real, extract, replicates=200)
        ratio = ratio_with_interval(pictures[SLOW], pictures[e], real, extract)
        faster = seconds[SLOW] / seconds[e]
        rows.append(
            {
                "name": e.name,
                "steps": e.steps,
                "evaluations": e.evaluations,
                "runtime": "OpenVINO" if e.precision else "TensorFlow",
                "seconds": float(np.median(seconds[e][:, 1]) / BATCH),
                "faster": _middle(faster[:, 1]),
                "by_clock": _middle(faster[:, 0]),
                "distance": [distance.value, distance.low, distance.high],
                "ratio": list(ratio),
                "accuracy": accuracy(pictures[e], labels),
            }
        )
    return {"race": rows, "pictures": BATCH * TURNS}


def _middle(values: np.ndarray) -> list[float]:
    """Median, least and most."""
    return [float(np.median(values)), float(values.min()), float(values.max())]


def main(argv: Sequence[str] | None = None) -> None:
    """Takes the turns that are missing, and puts the race on record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="a model of digits")
    parser.add_argument("out", type=Path, help="directory of what is trained")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    take_turns(words.base, words.out)
    record = words.docs / "few_steps.json"
    rows = [row for row in read_record(record) if "race" not in row]
    write_record(record, [*rows, judge(words.out)])
    few_steps_page.write(words.docs)


if __name__ == "__main__":
    main()
