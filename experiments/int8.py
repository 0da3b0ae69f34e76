"""What other runtimes and fewer bits cost a model's pictures: docs/int8.md.

Example: python -m experiments.int8 --count=1000

Each row is one export, its pictures beside the model's of the same seeds: decibels of
the first 64 and of all, and how much farther from the training pictures they are, with
an interval. `--derived` has models made of the base by methods, on whose own ranges or
weights their export computes, timed too; `--race` has a call timed, last.
Stopped, it goes on where it was: rows lie in docs/int8.json, pictures in the folder of
`--work`, which is for one state of the code. NNCF's rows need nncf, which nothing else
here does.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from experiments import int8_race
from experiments.int8_nncf import NncfNetwork
from experiments.int8_pictures import draw, ratio_with_interval, sqnr_of_each
from experiments.pages import DOCS, read_record, table, write_page, write_record
from pdm_tf.assemble import derive, export_network, open_model
from pdm_tf.assemble.methods import open_method
from pdm_tf.config import ExportConfig
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.features.extractor import Extractor
from pdm_tf.evaluation.image_sources import open_pictures
from pdm_tf.evaluation.metrics import FeatureGaussian, gaussian_of, sqnr
from pdm_tf.export.litert_file import describe_network
from pdm_tf.serving import open_generator
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.generator import ImageGenerator
from pdm_tf.serving.litert_generator import callback_denoiser

ARGUMENTS = ("--count=1000",)
FEW, TURNS = 64, 3  # pictures of a bar; turns of what is timed
FEATURES = {"mnist": "digits"}  # others: random convolutions
NNCF = int8_race.NNCF
# Name of a row -> settings of its export; nothing is refused, so that all are seen.
EXPORTS: dict[str, dict[str, Any]] = {
    "openvino float32": {"format": "openvino"},
    "openvino bfloat16": {"format": "openvino", "precision": "bfloat16"},
    "openvino int8": {"format": "openvino", "precision": "int8"},
    "openvino int8_bfloat16": {"format": "openvino", "precision": "int8_bfloat16"},
    "litert dynamic_int8": {"format": "litert", "quantize": "dynamic_int8"},
    "litert static_int8": {"format": "litert", "quantize": "static_int8"},
}


class Beside:
    """A model whose exports are compared with it.

    Args:
      path: the model.
      steps: of sampling.
      work: where its pictures are kept.
      sampler: name of the sampler.
    """

    def __init__(self, path: str, steps: str, work: Path, sampler: str) -> None:
        self.model, self.work = open_model(path), work
        self.settings = self.model.settings
        self.path, self.steps, self.sampler = path, steps, sampler

    def original(self, count: int) -> np.ndarray:
        """The model's own pictures, kept from an earlier run as far as they go."""
        sampling = self.settings.sampling
        generator = DenoiserGenerator(
            self.model.denoiser.with_constant_weights(), sampling
        )
        return draw(generator, count, self.steps, self.sampler, self._kept(""))

    def _kept(self, export: str) -> Path:
        """Where pictures are kept: the model's, or those of one of its exports."""
        name = Path(self.path.replace(":", "-")).name
        return self.work / "-".join([name, self.sampler, self.steps, *export.split()])

    def generator(
        self, name: str, folder: Path, of: str = ""
    ) -> tuple[ImageGenerator, int]:
        """What generates pictures by an export, and the export's bytes.

        Args:
          name: of the export.
          folder: where it may lie.
          of: the model, if it is not the one that all is compared with.
        """
        if name == NNCF:
            return self._by_nncf(folder)
        config = replace(
            ExportConfig(model=of or self.path, check_images=2, check_steps="2"),
            export_dir=str(folder / "it"),
            min_sqnr=-100.0,
            max_distance_change=1e9,
            **EXPORTS[name],
        )
        place, _ = export_network(config, {})
        files = [place] if place.is_file() else list(place.glob("model.*"))
        size = sum(path.stat().st_size for path in files)
        return open_generator("model", place), size

    def _by_nncf(self, folder: Path) -> tuple[ImageGenerator, int]:
        sampling, denoiser = self.settings.sampling, self.model.denoiser
        network = NncfNetwork(denoiser, sampling, folder)
        said = describe_network(denoiser, sampling, "")
        made = callback_denoiser(network, said)
        return DenoiserGenerator(made, sampling, said), network.size

    @cached_property
    def reference(self) -> tuple[FeatureGaussian, Extractor]:
        """What the pictures that it was trained on are like, in which features."""
        data = self.settings.data.dataset
        extractor = open_features(FEATURES.get(data, "random"))
        shape = self.settings.network.image_shape
        source = open_pictures("reference", data, shape)
        return gaussian_of(source.batches(FEW), extractor), extractor

    def derived(self, method: str) -> str:
        """The model that a method makes of this one, by its defaults but for the bits
        of weights that may be named behind a colon."""
        name, _, bits = method.partition(":")
        out = self.work / "derived" / method.replace(":", "-")
        settings = {"weight_bits": int(bits)} if bits else {}
        if not (out / "model.json").is_file():
            derive(name, self.path, out, open_method(name).Config(**settings))
        return str(out)

    def ahead(self, generator: ImageGenerator) -> float:
        """Time of this model's float32 export over that of another, in turns."""
        seconds: list[list[float]] = []
        with tempfile.TemporaryDirectory() as folder:
            plain, _ = self.generator("openvino float32", Path(folder))
            for _ in range(TURNS + 1):
                pair = []
                for one in (plain, generator):
                    begun = time.perf_counter()
                    draw(one, 8, self.steps, self.sampler)
                    pair.append(time.perf_counter() - begun)
                seconds.append(pair)
        return median(a / b for a, b in seconds[1:])  # the first traces

    def compare(self, name: str, count: int, method: str = "") -> dict[str, Any]:
        """One row.

        Args:
          name: of the export.
          count: pictures.
          method: what makes the model that is exported, if it is a derived one.
        """
        found: dict[str, Any] = {}
        with tempfile.TemporaryDirectory() as folder:
            of = self.derived(method) if method else ""
            generator, size = self.generator(name, Path(folder), of)
            kept = None if method else self._kept(name)
            cheaper = draw(generator, count, self.steps, self.sampler, kept)
            if method:
                made = open_model(of)
                own = DenoiserGenerator(
                    made.denoiser.with_constant_weights(), made.settings.sampling
                )
                pictures = draw(own, FEW, self.steps, self.sampler)
                near = sqnr(pictures, cheaper[:FEW], centred=True)
                found = {
                    "own": round(near, 2),
                    "ahead": round(self.ahead(generator), 2),
                }
        original = self.original(count)
        ratio = ratio_with_interval(original, cheaper, *self.reference)
        few = sqnr(original[:FEW], cheaper[:FEW], centred=True)
        return {
            "model": self.path,
            "export": name,
            "pictures": count,
            "sampler": self.sampler,
            "steps": self.steps,
            "bytes": size,
            f"sqnr_{FEW}": round(few, 2),
            "sqnr": round(sqnr(original, cheaper, centred=True), 2),
            "median": round(float(np.median(sqnr_of_each(original, cheaper))), 2),
            "ratio": [round(value, 4) for value in ratio],
            "method": method,
            **found,
        }


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The tables of the page."""
    header = ["model", "export", "sampler", "pictures", "MB", f"dB, first {FEW}"]
    header += ["dB, all", "dB, median", "distance over the model's (95 %)"]
    measured = [row for row in rows if "export" in row]
    parts = [table(header, [_cells(r) for r in measured if not r["method"]])]
    if made := [row for row in measured if row["method"]]:
        header = ["base", "method", *header[1:], "dB to its own, first 64"]
        header.append("times as fast as the base's float32")
        lines = [[r["model"], r["method"], *_cells(r)[1:]] for r in made]
        ends = [[f"{r['own']:.1f}", f"{r['ahead']:.2f}"] for r in made]
        parts.append(table(header, [a + b for a, b in zip(lines, ends, strict=True)]))
    parts += [int8_race.text_of(row) for row in rows if "race" in row]
    return "\n\n".join(parts)


def _cells(row: dict[str, Any]) -> list[Any]:
    value, *ends = row["ratio"]
    keys = (f"sqnr_{FEW}", "sqnr", "median")
    decibels = ("" if row[key] is None else f"{row[key]:.1f}" for key in keys)
    between = f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
    return [
        row["model"],
        row["export"],
        f"{row['sampler']}, {row['steps']}",
        row["pictures"],
        f"{row['bytes'] / 1e6:.1f}",
        *decibels,
        f"{value:.3f}{between}",
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not on record yet, and writes the page."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.int8", description=__doc__
    )
    parser.add_argument("--model", default="pretrained:photos")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--steps", default="50")
    parser.add_argument("--sampler", default="ddpm")
    names = [*EXPORTS, NNCF]
    parser.add_argument("--exports", nargs="*", choices=names, default=names)
    parser.add_argument(
        "--derived", nargs="*", default=[], help="methods or METHOD:BITS"
    )
    parser.add_argument(
        "--derived_export", choices=list(EXPORTS), default="openvino int8"
    )
    parser.add_argument("--race", type=int, default=0, help="turns, after all rows")
    parser.add_argument("--race_seconds", type=float, default=1800.0)
    parser.add_argument(
        "--candidates", nargs="*", choices=int8_race.NAMES, default=int8_race.NAMES
    )
    parser.add_argument("--peers", default="", help="python of PyTorch's environment")
    parser.add_argument("--work", type=Path, default=Path("runs/int8"))
    parser.add_argument("--record", type=Path, default=DOCS / "int8.json")
    parser.add_argument("--page", type=Path, default=DOCS / "int8.md")
    asked = parser.parse_args(argv)
    rows, beside = read_record(asked.record), None
    wishes = [(name, "") for name in asked.exports]
    wishes += [(asked.derived_export, method) for method in asked.derived]
    for name, method in wishes:
        wanted = {"model": asked.model, "export": name, "pictures": asked.count}
        wanted |= {"sampler": asked.sampler, "method": method}
        if any(wanted.items() <= row.items() for row in rows):
            continue
        beside = beside or Beside(asked.model, asked.steps, asked.work, asked.sampler)
        rows.append(beside.compare(name, asked.count, method))
        write_record(asked.record, rows)
        write_page(asked.page, "int8", text_of(rows))
    if asked.race:
        found = int8_race.race(
            asked.work / "race",
            asked.race,
            asked.peers,
            asked.race_seconds,
            asked.candidates,
        )
        rows = [row for row in rows if row.get("race") != found["race"]] + [found]
        write_record(asked.record, rows)
    write_page(asked.page, "int8", text_of(rows))


if __name__ == "__main__":
    main()
