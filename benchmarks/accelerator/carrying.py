"""python -m benchmarks.accelerator.carrying pack|take_back NAME -- MODULE ARGUMENTS

Takes a training to a machine with an accelerator and JAX but no TensorFlow. `pack`
runs the command up to its first step and writes what the steps need: their graph, the
pictures, the order in which they come, and every variable's value. `python -m
benchmarks.accelerator.steps` takes the steps there. `take_back` runs the same command,
which finds its training done, and ends it as it would have: report, samples, export.

Weights that are as they were drawn are drawn anew there, from the same distribution;
only averaged weights come back, so a run that was carried samples, exports and derives,
but is not trained on.

Example: python -m benchmarks.accelerator.carrying pack runs/carried/digits -- \
    train --flagfile=configs/mnist.flags
"""

import argparse
import contextlib
import hashlib
import json
import lzma
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

from benchmarks.accelerator.graph import Graph, changed_in, kind_of
from pdm_tf.assemble import training as assembled
from pdm_tf.config import TrainingConfig
from pdm_tf.data.augmentation import PlainAugmentation
from pdm_tf.data.pipeline import NONE, flipped, order
from pdm_tf.data.sources import Source
from pdm_tf.training.further_averages import AllAverages
from pdm_tf.training.metrics import Metrics, added, no_metrics, packed, unpacked
from pdm_tf.training.train_loop import Ending
from pdm_tf.training.train_step import Trainer

_AT_ONCE = 50  # steps of one call there, at most


class Batches:
    """Stands for a training's batches: the pictures, and how they are chosen."""

    most = 2**31  # pictures that are taken along

    def __init__(
        self,
        source: Source,
        batch_size: int,
        seed: int,
        start_step: int = 0,
        horizontal_flip: bool = False,
        shard: tuple[int, int] = (0, 1),
        augmentation: PlainAugmentation = NONE,
    ) -> None:
        if shard != (0, 1):
            raise SystemExit("a training of several workers cannot be carried")
        self.source, self.batch_size, self.seed = source, batch_size, seed
        self.start, self.flips = start_step, horizontal_flip
        self.augmentation = augmentation

    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """All that are taken along, and their labels."""
        size = len(self.source)
        rows = np.linspace(0, size - 1, min(size, self.most), dtype=int)
        return self.source.read(rows)

    def order(self, iterations: int) -> np.ndarray:
        """Indices of every step's pictures, [iterations, batch_size]."""
        size = min(len(self.source), self.most)
        rows = tf.function(lambda s: order(s, self.batch_size, size, self.seed))
        steps = range(self.start, iterations)
        all_rows = [rows(tf.constant(step, tf.int64)).numpy() for step in steps]
        return np.stack(all_rows).astype(np.uint16 if size < 2**16 else np.int32)


def steps_graph(trainer: Trainer, batches: Batches, at_once: int, last: int) -> Graph:
    """So many steps in one call; their summed metrics in a row.

    Args:
      trainer: takes a step.
      batches: what the steps are given.
      at_once: steps of a call.
      last: step at which the training ends.
    """

    def batch(pictures: Any, labels: Any, order: Any) -> tuple[tf.Tensor, tf.Tensor]:
        step = trainer.step.read_value()
        rows = tf.cast(order[step - batches.start], tf.int32)
        x = tf.gather(pictures, rows)
        how = batches.seed, step, batches.batch_size, slice(None)
        if batches.flips:
            x = flipped(x, *how)
        x = batches.augmentation(x, *how)
        return x, tf.gather(labels, rows)

    def steps(*data: Any) -> tf.Tensor:
        def one(i: tf.Tensor, total: Metrics) -> tuple[tf.Tensor, Metrics]:
            return i + 1, added(total, trainer.take_step(batch(*data)))

        start = (tf.constant(0), no_metrics(trainer.objective))
        return packed(tf.while_loop(lambda i, _: i < at_once, one, start)[1])

    x, labels = batches.pictures()
    width = np.uint16 if len(x) < 2**16 else np.int32
    return Graph(
        steps,
        [
            tf.TensorSpec(x.shape, tf.uint8),
            tf.TensorSpec(labels.shape, tf.int32),
            tf.TensorSpec([last - batches.start, batches.batch_size], width),
        ],
    )


def divisor(steps: int) -> int:
    """The largest number of steps of a call that divides all."""
    return max(n for n in range(1, _AT_ONCE + 1) if steps % n == 0)


def pack(
    out: Path, trainer: Trainer, batches: Batches, iterations: int, exact: bool
) -> None:
    """Writes a training: graph, arrays beside the folder, and last what they are."""
    out.mkdir(parents=True, exist_ok=True)
    at_once = divisor(iterations - batches.start)
    graph = steps_graph(trainer, batches, at_once, iterations)
    text = graph.text()
    (out / "graph.stablehlo.xz").write_bytes(lzma.compress(text.encode()))
    values = [*batches.pictures(), batches.order(iterations), *graph.values()]
    drawn: dict[bytes, dict[str, Any]] = {}
    about = {
        "calls": (iterations - batches.start) // at_once,
        "at_once": at_once,
        "arguments": [
            {"shape": list(value.shape), "dtype": value.dtype.name}
            | described(value, drawn, out.parent, exact)
            for value in values
        ],
        "changed": changed_in(text),
        "kept": kept(graph, trainer),
    }
    (out / "about.json").write_text(json.dumps(about) + "\n")


def described(
    value: np.ndarray, drawn: dict[bytes, dict[str, Any]], folder: Path, exact: bool
) -> dict[str, Any]:
    """How a value is made there: one number, drawn, or read from a file of its own.

    Args:
      value: of an argument.
      drawn: descriptions of those that are drawn, by their bytes: averages begin as
        the weights do.
      folder: where files go; trainings beside each other share them.
      exact: weights are taken along and not drawn.
    """
    first = value.ravel()[:1]
    if np.all(value == first):
        return {"value": first.item()}
    key = hashlib.sha256(value.tobytes()).digest()
    if not exact and is_drawn(value):
        about = {"uniform": float(value.max()), "draw": len(drawn)}
        return drawn.setdefault(key, about)
    name = f"{key.hex()[:16]}.npz"
    if not (folder / name).is_file():
        np.savez_compressed(folder / name, value=value)
    return {"file": name}


def is_drawn(value: np.ndarray) -> bool:
    """Whether an array looks like numbers drawn evenly between two bounds."""
    if value.dtype != np.float32 or value.size < 1000:
        return False
    bound, spread = float(value.max()), float(value.std())
    symmetric = abs(value.min() + bound) < 0.05 * bound
    return bool(symmetric and abs(spread * 3**0.5 / bound - 1) < 0.03)


def averages(trainer: Trainer) -> list[tf.Variable]:
    """Of the weights that learn."""
    parts = trainer.average
    return list(
        (*parts.first.variables, *parts.further.variables)
        if isinstance(parts, AllAverages)
        else parts.variables
    )


def kept(graph: Graph, trainer: Trainer) -> list[int]:
    """Arguments whose last values come back: the step and the averaged weights."""
    wanted = {id(v.handle) for v in [trainer.step, *averages(trainer)]}
    return [i for i, c in enumerate(graph.captured(), 3) if id(c) in wanted]


def take_back(out: Path, trainer: Trainer, batches: Batches, iterations: int) -> None:
    """Gives a training the averages that its steps came to, and says how it went."""
    at_once = divisor(iterations - batches.start)
    graph = steps_graph(trainer, batches, at_once, iterations)
    with np.load(out / "result.npz") as result:
        rows = result["metrics"]
        for i, handle in enumerate(graph.captured(), 3):
            if str(i) in result:
                value = result[str(i)].astype(kind_of(handle).as_numpy_dtype)
                tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(value))
    step = int(trainer.step.read_value())
    if step != iterations:
        raise SystemExit(f"{out} ends at step {step} of {iterations}")
    first = trainer.average
    first = first.first if isinstance(first, AllAverages) else first
    for path, variable in trainer.objective.variables.items():
        variable.assign(first.weights[path].read_value())
    like = no_metrics(trainer.objective)
    for i in np.unique(np.geomspace(1, len(rows), 12).round().astype(int)):
        seen = unpacked(tf.constant(rows[i - 1]), like)
        loss = float(next(iter(seen.terms.values())) / seen.steps)
        print(f"step {i * at_once}: loss {loss:.4f}", flush=True)


@contextlib.contextmanager
def carried(
    work: str, folder: Path, exact: bool = False, pictures: int = Batches.most
) -> Iterator[None]:
    """While entered, a training is packed into a folder, or taken back from there.

    Args:
      work: "pack", which looks like a stopped training, or "take_back".
      folder: what is taken along; "take_back" wants `result.npz` in it.
      exact: weights begin as they are and are not drawn anew.
      pictures: at most so many are taken along, evenly spread.
    """
    train = assembled.run

    def run(
        config: TrainingConfig, trainer: Trainer, batches: Batches, *rest: Any
    ) -> Ending:
        if work == "pack":
            pack(folder, trainer, batches, config.iterations, exact)
            return Ending.INTERRUPTED
        take_back(folder, trainer, batches, config.iterations)
        return train(config, trainer, iter(()), *rest)

    with (
        mock.patch.object(Batches, "most", pictures),
        mock.patch.object(assembled, "run", run),
        mock.patch.object(assembled, "training_batches", Batches),
        mock.patch.object(assembled, "distributed", lambda _, make: make((0, 1))),
    ):
        yield


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command whose training is done elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=["pack", "take_back"])
    parser.add_argument("folder", type=Path, help="what is taken along, or came back")
    parser.add_argument("--exact", action="store_true", help="keep the first weights")
    parser.add_argument("--pictures", type=int, default=Batches.most, help="at most")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- MODULE ARGUMENTS")
    words = parser.parse_args(argv)
    module, *arguments = [word for word in words.command if word != "--"]
    with (
        carried(words.work, words.folder, words.exact, words.pictures),
        mock.patch.object(sys, "argv", [module, *arguments]),
    ):
        runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
