"""python -m benchmarks.accelerator.steps: takes the steps of packed trainings by JAX.

Several trainings at once, each in a process of its own: while one is compiled others
run. Ends in time whatever happens; a training whose time is over before its last step
leaves what it has, and is taken back with as many --iterations.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def value_of(about: dict[str, Any], folder: Path, seed: int) -> np.ndarray:
    """An argument as it was described; what is drawn is the same for the same draw."""
    if "file" in about:
        with np.load(folder / about["file"]) as arrays:
            return arrays["value"]
    if "value" in about:
        return np.full(about["shape"], about["value"], about["dtype"])
    rng = np.random.default_rng([seed, about["draw"]])
    bound = about["uniform"]
    return rng.uniform(-bound, bound, about["shape"]).astype(about["dtype"])


def train(folder: Path, words: argparse.Namespace, seed: int, end: float) -> None:
    """Takes the steps of a training for which there is time; keeps the averages."""
    from benchmarks.accelerator.compiled import Program

    begun, rows = time.monotonic(), []
    about = json.loads((folder / "about.json").read_text())
    values = [value_of(one, folder.parent, seed) for one in about["arguments"]]
    program = Program(str(folder / "graph.stablehlo.xz"), values, about["changed"])
    made, calls = time.monotonic(), about["calls"]
    for _ in range(min(calls, words.calls)):
        rows.append(np.asarray(program()[0]))
        if time.monotonic() > end:
            break
    spent, steps = time.monotonic() - made, len(rows) * about["at_once"]
    if rows:
        kind = np.float16 if folder.name in words.half else np.float32
        kept = {str(i): np.asarray(program.arguments[i]) for i in about["kept"]}
        kept |= {name: v.astype(kind) for name, v in kept.items() if v.ndim}
        np.savez_compressed(words.out / f"{folder.name}.npz", metrics=rows, **kept)
    losses = [rows[i][1] / rows[i][0] for i in (0, len(rows) // 2, -1)]
    print(
        f"{folder.name}: {steps:,} of {calls * about['at_once']:,} steps, "
        f"{spent / steps * 1e3:.2f} ms each, graph {made - begun:.0f} s, "
        f"loss {', '.join(f'{loss:.4f}' for loss in losses)}",
        flush=True,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Trains all, the first named first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where packed trainings lie")
    parser.add_argument("names", nargs="*", help="which; in this order")
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--at_once", type=int, default=4, help="processes")
    parser.add_argument("--seconds", type=float, default=400, help="time of all [s]")
    parser.add_argument("--calls", type=int, default=10**9, help="a try: so many")
    parser.add_argument("--half", nargs="*", default=[], help="come back in 16 bits")
    words = parser.parse_args(argv)
    words.out.mkdir(parents=True, exist_ok=True)
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    end = time.monotonic() + words.seconds
    names = words.names or sorted(
        p.parent.name for p in words.folder.glob("*/about.json")
    )
    jobs = [(words.folder / name, words, i, end) for i, name in enumerate(names)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(words.at_once, maxtasksperchild=1) as pool:
        results = [pool.apply_async(train, job) for job in jobs]
        for (folder, *_), result in zip(jobs, results, strict=True):
            try:
                result.get(max(1.0, end + 30 - time.monotonic()))
            except Exception as error:  # the others go on
                print(f"{folder.name} fell: {str(error)[:600]}", flush=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
