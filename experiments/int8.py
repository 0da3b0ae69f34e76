"""What other runtimes and fewer bits cost a model's pictures: docs/int8.md.

Example: python -m experiments.int8 --count=1000

Each row is one export, compared with the model as its own check does it: the same
seeds, and distances of both from the pictures that the model was trained on. Rows are
kept in docs/int8.json as they come, so that a stopped run goes on. Times of calls are
raced by `make bench`.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.pages import DOCS, read_record, table, write_page, write_record
from pdm_tf.assemble import export_network
from pdm_tf.config import ExportConfig

ARGUMENTS = ("--count=1000",)
# Name of a row -> settings of its export; nothing is refused, so that all are seen.
EXPORTS: dict[str, dict[str, Any]] = {
    "openvino float32": {"format": "openvino"},
    "openvino bfloat16": {"format": "openvino", "precision": "bfloat16"},
    "openvino int8": {"format": "openvino", "precision": "int8"},
    "openvino int8_bfloat16": {"format": "openvino", "precision": "int8_bfloat16"},
    "litert dynamic_int8": {"format": "litert", "quantize": "dynamic_int8"},
    "litert static_int8": {"format": "litert", "quantize": "static_int8"},
}


def measure(model: str, name: str, count: int, steps: str) -> dict[str, Any]:
    """One row: an export and how its pictures compare."""
    with tempfile.TemporaryDirectory() as folder:
        config = replace(
            ExportConfig(model=model, check_images=count, check_steps=steps),
            export_dir=str(Path(folder) / "it"),
            min_sqnr=-100.0,
            max_distance_change=1e9,
            **EXPORTS[name],
        )
        place, found = export_network(config, {})
        files = [place] if place.is_file() else list(place.glob("model.*"))
        size = sum(path.stat().st_size for path in files)
    return {
        "model": model,
        "export": name,
        "pictures": count,
        "steps": steps,
        "bytes": size,
        **found.to_json(),
    }


def format_rows(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    header = ["model", "export", "pictures", "MB", "dB", "distance over the model's"]
    lines = [
        [
            row["model"],
            row["export"],
            row["pictures"],
            f"{row['bytes'] / 1e6:.1f}",
            "equal" if row["sqnr"] is None else f"{row['sqnr']:.1f}",
            f"{row['cheaper'] / row['original']:.3f}",
        ]
        for row in rows
    ]
    return table(header, lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not on record yet, and writes the page."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.int8", description=__doc__
    )
    parser.add_argument("--model", default="pretrained:photos")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--steps", default="50")
    parser.add_argument("--exports", nargs="*", choices=EXPORTS, default=list(EXPORTS))
    parser.add_argument("--record", type=Path, default=DOCS / "int8.json")
    parser.add_argument("--page", type=Path, default=DOCS / "int8.md")
    asked = parser.parse_args(argv)
    rows = read_record(asked.record)
    for name in asked.exports:
        wanted = {"model": asked.model, "export": name, "pictures": asked.count}
        if any(wanted.items() <= row.items() for row in rows):
            continue
        rows.append(measure(asked.model, name, asked.count, asked.steps))
        write_record(asked.record, rows)
        write_page(asked.page, "int8", format_rows(rows))


if __name__ == "__main__":
    main()
