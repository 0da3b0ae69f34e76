"""Measures a model that learnt to restore, and its training's memory: docs/idm.md.

Held-out photographs of which a tenth of the numbers was measured, beside RED-diff with
the step size and weight that are best on training photographs. Memory is that of
processes of their own, in which a training step with and without reversible couplings
has run.

Example: python -m experiments.idm runs/photos-idm
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.distillation_memory import held
from experiments.inverse import EVALUATIONS, SHOWN, Bench, decibels, interval
from experiments.pages import DOCS, read_record, table, write_page, write_record
from experiments.systems import record_system
from pdm_tf.assemble import open_model
from pdm_tf.data.images import save_png, to_float, to_uint8
from pdm_tf.data.labelled_sheet import named_rows
from pdm_tf.data.sources import open_source
from pdm_tf.distillation.idm import own_network
from pdm_tf.inverse.operators.compressed import Compressed
from pdm_tf.inverse.restorer import Restorer, restorer_of
from pdm_tf.objectives.restoration import Restoration
from pdm_tf.profiling.memory import peak_bytes
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.optimizer import Adam

ARGUMENTS = ("runs/photos-idm",)
BASE = "pretrained:photos"
OPERATOR, RATIO = "compressed:0.1", 0.1
RATES, WEIGHTS = (0.05, 0.1, 0.2), (0.25, 1.0, 4.0)
TUNED_ON = 8  # training photographs
WAYS, STEPS, BATCH = ("plain", "reversible"), (2, 4, 8), 32
BETTER, ABOVE, MEMORY, FLAT, EQUAL = 2.0, 6.0, 0.4, 1.1, 1e-3
MEMORY_HEADER = ("couplings", "steps", "process [MiB]", "results, by graph [MiB]")
COMMAND = "python -m pdm_tf.distillation idm --base=MODEL --out=DIR"


def objective_of(path: str, steps: int, reversible: bool) -> Restoration:
    """What trains a model to restore in so many steps, all at the same noise."""
    base = open_model(path).denoiser
    operator = Compressed(base.image_shape, RATIO, 0)
    network = own_network(base)  # type: ignore[arg-type]
    restorer = Restorer(network, operator, [300] * steps, reversible)
    return Restoration(operator.forward, restorer, restorer.learnt)


def step_memory(path: str, way: str, steps: int, batch: int) -> dict[str, Any]:
    """Bytes that a training step of so many pictures takes, beside its variables.

    What TensorFlow takes for the graph itself is there before: the step has run with
    one picture. The most that the process holds is looked for every 2 ms.
    """
    objective = objective_of(path, steps, way == "reversible")
    learnt = objective.variables
    adam, average = Adam(learnt, lambda step: 1e-4), MovingAverage(learnt)
    variables = list(learnt.values())

    def step(x: tf.Tensor, count: tf.Tensor) -> None:
        labels = tf.zeros(tf.shape(x)[:1], tf.int32)
        with tf.GradientTape() as tape:
            losses = objective(x, labels, labels)
            loss = tf.reduce_mean(losses.total)
        zero = tf.UnconnectedGradients.ZERO
        found = tape.gradient(loss, variables, unconnected_gradients=zero)
        adam.apply([tf.convert_to_tensor(g) for g in found], count)
        average.update(count + 1)

    shape, count = open_model(path).denoiser.image_shape, tf.constant(0, tf.int64)
    whole = tf.random.stateless_uniform((batch, *shape), (0, 0), -1.0)
    kinds = tf.TensorSpec([None, *shape]), tf.TensorSpec([], tf.int64)
    compiled = tf.function(step, kinds, autograph=False)
    compiled(whole[:1], count)
    most = [before := held()]
    watch = threading.Event()

    def look() -> None:
        while not watch.wait(0.002):
            most[0] = max(most[0], held())

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(2):
        compiled(whole, count)
    watch.set()
    watcher.join()
    static = tf.function(step, autograph=False).get_concrete_function(whole, count)
    row = {"memory": way, "steps": steps, "batch": batch}
    return row | {"results": peak_bytes(static), "process": most[0] - before}


def memory_of(path: str) -> list[dict[str, Any]]:
    """`step_memory` of both ways and several numbers of steps, a process each."""
    rows = []
    for way, steps in product(WAYS, STEPS):
        words = [sys.executable, "-m", "experiments.idm", path]
        words += [f"--memory={way},{steps},{BATCH}"]
        said = subprocess.run(words, check=True, capture_output=True, text=True)
        rows.append(json.loads(said.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    return rows


def gradients_of(path: str, steps: int, count: int = 2) -> dict[str, Any]:
    """How far gradients are from plain ones, relative to these, all variables as one.

    Of the untrained restorer on training photographs.
    """
    photos = training_photos(open_model(path).denoiser.image_shape, count)
    x, labels = tf.constant(to_float(photos)), tf.zeros([count], tf.int32)
    objective = objective_of(path, steps, True)
    restorer: Any = objective.restore
    found = {}
    for restorer.reversible in (True, False):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(objective(x, labels, labels).total)
        zero = tf.UnconnectedGradients.ZERO
        wanted = list(objective.variables.values())
        made = tape.gradient(loss, wanted, unconnected_gradients=zero)
        flat = [np.ravel(tf.convert_to_tensor(g)) for g in made]
        found[restorer.reversible] = np.concatenate(flat).astype(float)
    off = np.linalg.norm(found[True] - found[False]) / np.linalg.norm(found[False])
    return {"gradients": float(off), "steps": steps}


def training_photos(shape: tuple[int, ...], count: int) -> np.ndarray:
    """Photographs that models are trained on, spread over all, uint8."""
    source = open_source("photos", shape)
    return source.read(np.linspace(0, len(source) - 1, count).astype(int))[0]


def tuned(bench: Bench) -> dict[str, float]:
    """RED-diff's step size and weight that are best on training photographs."""
    pictures = training_photos(bench.denoise.image_shape, TUNED_ON)
    training = bench._replace(pictures=pictures)
    problem, best = training.problem(OPERATOR), (-np.inf, {"rate": 0.0})
    for rate, weight in product(RATES, WEIGHTS):
        settings = {"rate": rate, "weight": weight}
        x = training.solved(problem, "red_diff", settings, EVALUATIONS)
        reached = float(decibels(to_uint8(x), pictures).mean())
        print(settings, round(reached, 2), flush=True)
        best = max(best, (reached, settings), key=lambda one: one[0])
    return best[1]


def restored(path: str, base: str, count: int, docs: Path) -> list[dict[str, Any]]:
    """A row a solver, on the same held-out photographs; draws the sheet."""
    benches = {
        n: Bench.opened("photos", p, count) for n, p in (("", base), ("idm", path))
    }
    plain = benches[""]
    problem = plain.problem(OPERATOR)
    back = problem.operator.adjoint(tf.constant(problem.y))
    rows = {"picture": plain.pictures, "Aᵀy": np.asarray(to_uint8(back))}
    found = [_row("Aᵀy", rows["Aᵀy"], plain, 0, 0.0, {})]
    solvers = {"red_diff": tuned(plain), "ddnm": {}, "idm": {}}
    for name, settings in solvers.items():
        bench = benches.get(name, plain)
        began = time.process_time()
        x = bench.solved(problem, name, settings, EVALUATIONS)
        spent = (time.process_time() - began) / count
        rows[name] = np.asarray(to_uint8(x))
        own = restorer_of(bench.denoise)
        cost = own.steps if own else EVALUATIONS
        found.append(_row(name, rows[name], plain, cost, spent, settings))
        print({k: v for k, v in found[-1].items() if k != "each"}, flush=True)
    # The picture's letters have no raised T.
    names = {"Aᵀy": "adjoint"}
    shown = {names.get(name, name): row[:SHOWN] for name, row in rows.items()}
    save_png(docs / "images" / "idm.png", named_rows(shown))
    return found


def _row(
    name: str,
    made: np.ndarray,
    bench: Bench,
    evaluations: int,
    spent: float,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    each = decibels(made, bench.pictures)
    row = {"solver": name, "count": len(each), "psnr": round(float(each.mean()), 2)}
    row |= {"interval": round(interval(each), 2), "evaluations": evaluations}
    row |= {"seconds": round(spent, 4), "settings": dict(settings)}
    return row | {"each": [round(float(v), 3) for v in each]}


def ahead(rows: Sequence[dict[str, Any]], other: str) -> tuple[float, float]:
    """What idm gains on another in dB, of the same pictures, and half its interval."""
    each = {row["solver"]: np.array(row["each"]) for row in rows if "solver" in row}
    gain = each["idm"] - each[other]
    return float(gain.mean()), interval(gain)


def shares(rows: Sequence[dict[str, Any]], kind: str) -> tuple[float, float]:
    """Memory of 4 reversible steps by that of plain ones; of 8 by that of 2."""
    of = {(r["memory"], r["steps"]): r[kind] for r in rows if "memory" in r}
    share = of["reversible", 4] / of["plain", 4]
    return share, of["reversible", STEPS[-1]] / of["reversible", STEPS[0]]


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """Tables and the sheet of the page."""
    solved = [row for row in rows if "solver" in row]
    cells = []
    for row in solved:
        gain = (
            ""
            if row["solver"] == "idm"
            else "{:+.2f} ± {:.2f}".format(*ahead(rows, row["solver"]))
        )
        said = ", ".join(f"{k} {v}" for k, v in row["settings"].items())
        cells.append(
            (
                row["solver"] + (f" ({said})" if said else ""),
                f"{row['psnr']:.2f} ± {row['interval']:.2f}",
                gain,
                row["evaluations"],
                f"{1000 * row['seconds']:.0f}",
            )
        )
    memory = [
        (
            r["memory"],
            r["steps"],
            f"{r['process'] / 2**20:.0f}",
            f"{r['results'] / 2**20:.0f}",
        )
        for r in rows
        if "memory" in r
    ]
    header = ("", "PSNR [dB]", "idm ahead [dB]", "evaluations", "processor time [ms]")
    off = next(row for row in rows if "gradients" in row)
    return "\n\n".join(
        [
            f"{solved[0]['count']} held-out photographs, `{OPERATOR}`, intervals of "
            "95 %; time of a picture, with that of tracing the graph.",
            table(header, cells),
            "![pictures, Aᵀy, and the solvers](images/idm.png)",
            f"Memory of a training step with {BATCH} pictures, beyond what the process "
            "held after one with a single picture:",
            table(
                ("couplings", "steps", "process [MiB]", "results, by graph [MiB]"),
                memory,
            ),
            f"Gradients of {off['steps']} steps are {off['gradients']:.1e} from those "
            "of plain back-propagation, relative to their norm.",
        ]
    )


def verdict(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the table of systems says: figure, and whether the bar holds."""
    (red, half), (back, _) = ahead(rows, "red_diff"), ahead(rows, "Aᵀy")
    share, more = shares(rows, "process")
    growth = shares(rows, "results")[1]
    off = next(row["gradients"] for row in rows if "gradients" in row)
    figure = (
        f"ratio 0.1: {red:+.1f} ± {half:.1f} dB on RED-diff, {back:+.1f} dB on Aᵀy, in "
        f"4 evaluations; memory of training {share:.2f} of plain at 4 steps, "
        f"from 2 to 8 steps {growth:.2f} times by the graph, {more:.2f} times by the "
        f"process; gradients to {off:.0e}"
    )
    holds = red >= BETTER and back >= ABOVE and off <= EQUAL
    return {"figure": figure, "holds": holds and share <= MEMORY and growth <= FLAT}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, draws the sheet, records as it goes, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="what python -m pdm_tf.distillation idm made")
    parser.add_argument("--base", default=BASE, help="the model that it was made of")
    parser.add_argument("--count", type=int, default=32, help="photographs")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    parser.add_argument("--memory", default="", help="WAY,STEPS,BATCH: only this")
    words = parser.parse_args(argv)
    if words.memory:
        way, steps, batch = words.memory.split(",")
        print(json.dumps(step_memory(words.model, way, int(steps), int(batch))))
        return
    record = words.docs / "idm.json"
    rows = read_record(record)
    for kind, measure in (
        ("solver", lambda: restored(words.model, words.base, words.count, words.docs)),
        ("gradients", lambda: [gradients_of(words.base, 4)]),
        ("memory", lambda: memory_of(words.base)),
    ):
        if not any(kind in row for row in rows):
            rows += measure()
            write_record(record, rows)  # a stopped measurement goes on with the next
    write_page(words.docs / "idm.md", "idm", text_of(rows))
    record_system(
        19,
        record=words.docs / "systems.json",
        page=words.docs / "systems.md",
        command=COMMAND,
        **verdict(rows),
    )


if __name__ == "__main__":
    main()
