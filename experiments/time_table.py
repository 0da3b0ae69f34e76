"""Measures the time table against its bar: docs/time_table.md.

Example: python -m experiments.time_table pretrained:mnist pretrained:photos
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.cached_sampling import Bench, Record
from experiments.pages import DOCS, read_record, table, write_page
from pdm_tf.acceleration.time_table import derive
from pdm_tf.config.acceleration import TimeTableConfig
from pdm_tf.denoisers import Denoiser
from pdm_tf.profiling.flops import count_denoise_flops
from pdm_tf.samplers import DDIM

ARGUMENTS = ("pretrained:mnist", "pretrained:photos")
STEPS, BATCH = 50, 8


def measure(bench: Bench, record: Record) -> None:
    """Everything of one model, if it is not on record yet."""
    if "faster" in record.find("table"):
        return
    made = derive(bench.base, TimeTableConfig()).denoiser
    for name, denoise in (("base", bench.base), ("table", made)):
        record.write(name, flops=operations(denoise), products=products(denoise))
    pictures = [bench.pictures(d, STEPS, 1, DDIM()) for d in (bench.base, made)]
    record.write(
        "table", largest_difference=float(np.abs(np.subtract(*pictures)).max())
    )
    times = bench.times({"base": bench.base, "table": made}, STEPS, BATCH)
    record.write("table", faster=round(times["table"]["faster"], 3))


def operations(denoise: Denoiser) -> int | None:
    """Floating-point operations of one evaluation for one picture."""
    return count_denoise_flops(_evaluated(denoise), denoise.image_shape)


def products(denoise: Denoiser) -> int:
    """Products of matrices in the graph of one evaluation."""
    specs = (
        tf.TensorSpec([1, *denoise.image_shape], tf.float32),
        *[tf.TensorSpec([1], tf.int32)] * 2,
    )
    traced = tf.function(_evaluated(denoise), autograph=False)
    graph = traced.get_concrete_function(*specs).graph.as_graph_def()
    nodes = [node for function in graph.library.function for node in function.node_def]
    return sum(node.op == "MatMul" for node in nodes)


def _evaluated(denoise: Denoiser) -> Any:
    def evaluated(z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        told = denoise.conditioned(labels) if denoise.num_classes else denoise
        return told(z, denoise.schedule.level(t)).x

    return evaluated


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    lines = []
    for row in rows:
        difference, faster = row.get("largest_difference"), row.get("faster")
        lines.append(
            [
                row["data"],
                row["name"],
                f"{row['flops'] / 1e6:.2f} M",
                row["products"],
                "" if difference is None else f"{difference:.1e}",
                "" if faster is None else f"{faster:.2f} ×",
            ]
        )
    header = (
        *("model", "what", "operations of a call", "products of matrices"),
        *("largest difference of pictures", "faster"),
    )
    return f"DDIM, {STEPS} steps.\n\n" + table(header, lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not yet on record of each model, and writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", help="models; none: only the page")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    record = words.docs / "time_table.json"
    for model in words.models:
        bench = Bench(model)
        measure(bench, Record(record, bench.data))
    rows = read_record(record)
    write_page(words.docs / "time_table.md", "time_table", text_of(rows))


if __name__ == "__main__":
    main()
