"""python -m benchmarks.accelerator.prepare: writes graphs that a race can take along.

For each case the graph as StableHLO, compressed, and a JSON file of what it is: its
arguments, operations, and the order that is given to PyTorch. Weights stay behind: they
are drawn anew where the graph runs, and files are a few hundred kilobytes.
"""

import argparse
import json
import lzma
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks.accelerator.cases import CASES, PRECISIONS, AcceleratorCase
from benchmarks.accelerator.graph import Graph, changed_in
from pdm_tf.assemble.building import build_denoiser
from pdm_tf.assemble.state import build_state, build_trainer
from pdm_tf.config import Config
from pdm_tf.profiling.flops import count_denoise_flops
from pdm_tf.samplers import DDIM, sample

_LARGEST = 2**20  # bytes of a value that is written out and not drawn anew


def arguments(graph: Graph) -> list[dict[str, Any]]:
    """Shape, type and filling of every argument of a graph, in order."""
    given = [
        {"shape": spec.shape.as_list(), "dtype": spec.dtype.name, "fill": "input"}
        for spec in graph.inputs
    ]
    return given + [_described(value) for value in graph.values()]


def _described(value: np.ndarray) -> dict[str, Any]:
    """Numbers with a point are drawn anew, but for those that begin as zeros."""
    about: dict[str, Any] = {"shape": list(value.shape), "dtype": value.dtype.name}
    if not np.any(value):
        return about | {"fill": "zeros"}
    if value.dtype.kind == "f" and value.size > 1:
        return about | {"fill": "normal"}
    if value.nbytes > _LARGEST:
        raise ValueError(f"a constant of {value.nbytes:,} bytes")
    return about | {"fill": value.tolist()}


def call_graph(config: Config, batch: int) -> Graph:
    """One evaluation of the network, both outputs."""
    denoiser = build_denoiser(config)
    network, classes = denoiser.network, config.network.num_classes
    labels = tf.range(batch) % classes if classes else None
    kind = tf.float32 if getattr(network, "continuous_time", False) else tf.int32
    inputs = [
        tf.TensorSpec([batch, *config.network.image_shape], tf.float32),
        tf.TensorSpec([1], kind),
    ]
    return Graph(lambda z, t: network(z, t, labels), inputs)


def training_graph(config: Config, batch: int) -> Graph:
    """One step: draws, gradients, clipping, optimiser, average."""
    training = replace(config.training, batch_size=batch, run_dir="unused")
    config = replace(config, training=training)
    strategy = tf.distribute.get_strategy()
    trainer = build_trainer(config, strategy, build_state(config, strategy))
    inputs = [
        tf.TensorSpec([batch, *config.network.image_shape], tf.uint8),
        tf.TensorSpec([batch], tf.int32),
    ]
    return Graph(
        lambda x, labels: trainer.take_step((x, labels)).terms["simple"], inputs
    )


def sampling_graph(config: Config, batch: int, steps: int) -> Graph:
    """A whole sampling by DDIM, one loop of the graph."""
    denoise = build_denoiser(config)
    if denoise.num_classes:
        denoise = denoise.conditioned(tf.range(batch) % denoise.num_classes)
    grid, shape = denoise.schedule.grid(steps), denoise.image_shape
    return Graph(
        lambda seeds: sample(denoise, DDIM(), grid, seeds, shape),
        [tf.TensorSpec([batch], tf.int32)],
    )


def graph_of(case: AcceleratorCase, config: Config) -> Graph:
    """The work of a case."""
    if case.work == "call":
        return call_graph(config, case.batch)
    if case.work == "train":
        return training_graph(config, case.batch)
    return sampling_graph(config, case.batch, case.steps)


def prepare(case: AcceleratorCase, precision: str, out: Path) -> None:
    """Writes a case's two files, the description last."""
    config = case.config(precision)
    graph = graph_of(case, config)
    name = f"{case.name}-{precision}".replace(":", "-")
    text = graph.text()
    (out / f"{name}.stablehlo.xz").write_bytes(lzma.compress(text.encode()))
    about = {
        "case": f"{case.name}:{precision}",
        "graph": f"{name}.stablehlo.xz",
        "arguments": arguments(graph),
        "changed": changed_in(text),
        "flops": case.evaluations * case.batch * _flops(config),
        "order": {**case.order("gpu", precision), "steps": case.steps},
    }
    (out / f"{name}.json").write_text(json.dumps(about) + "\n")


def _flops(config: Config) -> float:
    denoiser = build_denoiser(config)
    return count_denoise_flops(denoiser.network, denoiser.image_shape) or 0


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the graphs that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="such as call:lsun_church_p4:16")
    parser.add_argument("--out", default="runs/accelerator", help="folder of graphs")
    parser.add_argument("--precisions", nargs="*", default=list(PRECISIONS))
    words = parser.parse_args(argv)
    known = {case.name: case for case in CASES}
    wrong = [name for name in words.cases if name not in known]
    if wrong:
        parser.error(f"no case {wrong[0]}; there are {', '.join(known)}")
    out = Path(words.out)
    out.mkdir(parents=True, exist_ok=True)
    wanted = [(n, p) for n in words.cases or known for p in words.precisions]
    for name, precision in tqdm(wanted, unit="graph"):
        if not (out / f"{name}-{precision}.json".replace(":", "-")).is_file():
            prepare(known[name], precision, out)
            keras.backend.clear_session()  # networks of hundreds of megabytes each
    total = sum(file.stat().st_size for file in out.iterdir())
    print(f"{len(wanted)} graphs of {total / 2**20:.1f} MiB in {out}")


if __name__ == "__main__":
    main()
