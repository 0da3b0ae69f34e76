"""python -m benchmarks.accelerator.prepare: writes graphs that a race can take along.

For each case the graph as StableHLO, compressed, and a JSON file of what it is: its
arguments, operations, and the order that is given to PyTorch. Weights stay behind: they
are drawn anew where the graph runs, and files are a few hundred kilobytes.
"""

import argparse
import gzip
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from benchmarks.accelerator.cases import CASES, PRECISIONS, AcceleratorCase
from pdm_tf.assemble.building import build_denoiser
from pdm_tf.assemble.state import build_state, build_trainer
from pdm_tf.config import Config
from pdm_tf.profiling.flops import count_denoise_flops
from pdm_tf.samplers import DDIM, sample

# An argument whose memory becomes an output's, which is its new value.
_ALIAS = re.compile(
    r"parameter_number = (\d+) : i64}, output_index = array<i64(?:: (\d+))?>"
)
_LARGEST = 2**20  # bytes of a value that is written out and not drawn anew


class Graph:
    """A function with static shapes, and all that it reads.

    Args:
      function: of the inputs.
      inputs: their shapes and types.
    """

    def __init__(
        self, function: Callable[..., Any], inputs: list[tf.TensorSpec]
    ) -> None:
        self.function = tf.function(function, jit_compile=True, autograph=False)
        self.inputs = inputs

    def text(self) -> str:
        """As StableHLO; variables come as arguments after the inputs."""
        ir = self.function.experimental_get_compiler_ir(*self.inputs)
        return ir(stage="stablehlo", platform_name="CPU")

    def arguments(self) -> list[dict[str, Any]]:
        """Shape, type and filling of every argument, in order."""
        concrete = self.function.get_concrete_function(*self.inputs)
        read = [_value(x) for x in concrete.captured_inputs]
        given = [
            {"shape": spec.shape.as_list(), "dtype": spec.dtype.name, "fill": "input"}
            for spec in self.inputs
        ]
        return given + [_described(value) for value in read]


def changed_in(text: str) -> list[tuple[int, int]]:
    """Arguments that a graph changes, each with the output that is its new value."""
    return [(int(index), int(output or 0)) for index, output in _ALIAS.findall(text)]


def _value(captured: tf.Tensor) -> np.ndarray:
    """Of a constant, or of the variable that a handle is of."""
    if captured.dtype != tf.resource:
        return captured.numpy()
    kind = tf.dtypes.as_dtype(captured._handle_data.shape_and_type[0].dtype)
    return tf.raw_ops.ReadVariableOp(resource=captured, dtype=kind).numpy()


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
    (out / f"{name}.stablehlo.gz").write_bytes(gzip.compress(text.encode()))
    about = {
        "case": f"{case.name}:{precision}",
        "graph": f"{name}.stablehlo.gz",
        "arguments": graph.arguments(),
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
    total = sum(file.stat().st_size for file in out.iterdir())
    print(f"{len(wanted)} graphs of {total / 2**20:.1f} MiB in {out}")


if __name__ == "__main__":
    main()
