"""Measures quantised models against the bars of their systems: docs/quantization.md.

Stopped, it goes on where it was: what was measured lies in docs/quantization.json, and
models that were derived in the folder of `--work`. Without a model it only writes the
page again.

Example: python -m experiments.quantization pretrained:mnist
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.cached_sampling import BATCH, Bench, Record
from experiments.int8_pictures import ratio_with_interval
from experiments.pages import DOCS, read_record, write_page
from experiments.quantization_attention import measure_attention
from experiments.quantization_selection import SELECTIONS, make_selection
from experiments.quantization_table import ATTENTION, VERDICTS, base_name, text_of
from experiments.quantization_temporal import (
    CALIBRATION,
    FEATURES,
    LATENCY,
    NEEDED,
    measure_calibration,
    measure_features,
    measure_latency,
)
from experiments.quantization_temporal import VERDICTS as OF_TIME
from experiments.quantization_training import TRAINING, train_quantized
from experiments.quantization_tuned import TUNED
from experiments.quantization_variants import STEPS, Variant, variants_of
from experiments.systems import record_system
from pdm_tf.assemble import derive, open_model
from pdm_tf.assemble.methods import open_method
from pdm_tf.data.images import to_uint8
from pdm_tf.evaluation.metrics import sqnr
from pdm_tf.quantization.cost import stored_bytes
from pdm_tf.storage.files import write_npy

__all__ = ["main", "text_of"]

ARGUMENTS = ("pretrained:mnist",)
SEEDS = 64  # pictures that SQNR is of
BATCHES = {"mnist": BATCH}  # of these; others half of them, as they have no classes
TRAINED = (400,)  # steps of full training, as many as EfficientDM's
TRAINED_STEPS = 20  # of DDIM, for pictures of what was trained


class Measured:
    """What is measured of one base and of what was made of it.

    Args:
      path: the base.
      record: rows on record.
      work: where derived models lie.
    """

    def __init__(self, path: str, record: Record, bench: Bench, work: Path) -> None:
        self.path, self.record, self.bench, self.work = path, record, bench, work
        self._unaltered: np.ndarray | None = None

    @property
    def unaltered(self) -> np.ndarray:
        """Pictures of the base, for SQNR."""
        if self._unaltered is None:
            self._unaltered = self._pictures(self.bench.base)
        return self._unaltered

    def base(self, steps: int) -> None:
        """The base's own distance."""
        name = base_name(steps)
        if "distance" not in self.record.find(name):
            made = self.original(steps)
            self.record.write(
                name,
                bytes=stored_bytes(self.bench.base),
                steps=steps,
                guidance=self.bench.guidance,
                pictures=len(made),
                distance=self.bench.distance(made),
            )

    def original(self, steps: int) -> np.ndarray:
        """The base's pictures for distances, kept from an earlier command."""
        count = self.bench.count
        file = self.work / self.bench.data / f"float32_{steps}_{count}.npy"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_npy(file, self.bench.pictures(self.bench.base, steps, count))
        return np.load(file)

    def _distance(self, denoise: Any, steps: int) -> dict[str, Any]:
        """A model's distance, and over that of its base, with an interval."""
        count = self.bench.count
        made = self.bench.pictures(denoise, steps, count)
        own, cheaper = (np.asarray(to_uint8(x)) for x in (self.original(steps), made))
        bench = self.bench
        ratio = ratio_with_interval(own, cheaper, bench.real, bench.extract)
        return {
            "pictures": count,
            "steps": steps,
            "distance": self.bench.distance(made),
            "ratio": [round(value, 4) for value in ratio],
        }

    def attention(self) -> None:
        """What 6 bits make of attention's probabilities, if not on record yet."""
        if not self.record.find(ATTENTION):
            self.record.write(ATTENTION, **measure_attention(self.bench))

    def selection(self, name: str) -> None:
        """SQNR of each seed of a selection of layers, if not on record yet."""
        if "sqnr" in self.record.find(name):
            return
        found = make_selection(self.bench, self.work, name)
        model = found.pop("denoiser")
        found |= {"sqnr": self._sqnr(model), "bytes": stored_bytes(model)}
        self.record.write(name, **found)

    def training(self, iterations: int) -> None:
        """Distance after full training, if not on record yet."""
        name = TRAINING.format(iterations)
        if "distance" in self.record.find(name):
            return
        bench = Bench(self.path, self.bench.count)  # its own copy, which learns
        found = train_quantized(bench, self.work, iterations)
        model = found.pop("denoiser")
        self.record.write(name, bytes=stored_bytes(model), **found)
        self.record.write(name, sqnr=self._sqnr(model))
        self.record.write(name, **self._distance(model, TRAINED_STEPS))

    def calibration(self) -> None:
        """Times of two calibrations in turns, if not on record yet."""
        if not self.record.find(CALIBRATION):
            found = measure_calibration(self.path, self.work / self.bench.data)
            self.record.write(CALIBRATION, **found)

    def features(self) -> None:
        """Errors of temporal features and sizes of exports, if models are there."""
        models = self.work / self.bench.data
        there = [models / name.replace(" ", "_") / "model.json" for name in NEEDED]
        if not all(path.is_file() for path in there):
            return
        for name, measure in ((FEATURES, measure_features), (LATENCY, measure_latency)):
            if not self.record.find(name):
                self.record.write(name, **measure(self.bench, models))

    def likeness(self, variant: Variant) -> None:
        """SQNR of each seed, and bytes, if they are not on record yet."""
        if "sqnr" in self.record.find(variant.name):
            return
        model = self._derived(variant)
        self.record.write(
            variant.name,
            sqnr=self._sqnr(model),
            bytes=stored_bytes(model),
            method=variant.method,
            settings=dict(variant.settings),
        )

    def _sqnr(self, model: Any) -> list[float]:
        pairs = zip(self.unaltered, self._pictures(model), strict=True)
        return [round(sqnr(x[None], y[None]), 2) for x, y in pairs]

    def _pictures(self, model: Any) -> np.ndarray:
        batch = BATCHES.get(self.bench.data, SEEDS // 2)
        whole = -(-SEEDS // batch) * batch
        return self.bench.pictures(model, STEPS, whole, at_once=batch)[:SEEDS]

    def distance(self, variant: Variant) -> None:
        """Fréchet distance, if it is wanted and not on record yet."""
        if variant.distance and "distance" not in self.record.find(variant.name):
            found = self._distance(self._derived(variant), variant.steps)
            self.record.write(variant.name, **found)

    def _derived(self, variant: Variant) -> Any:
        out = self.work / self.bench.data / variant.name.replace(" ", "_")
        config = open_method(variant.method).Config(**variant.settings)
        began = time.perf_counter(), time.process_time()
        if not (out / "model.json").is_file():
            whole = not out.exists()  # and not what a stopped command left
            derive(variant.method, self.path, out, config)
            spent = time.perf_counter() - began[0], time.process_time() - began[1]
            if whole:
                self.record.write(
                    variant.name,
                    seconds=round(spent[0], 1),
                    processor_seconds=round(spent[1], 1),
                )
        return open_model(out).denoiser


def main(argv: Sequence[str] | None = None) -> None:
    """Measures what is not yet on record of each model, and writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", help="models; none: only the page")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    parser.add_argument("--work", type=Path, default=Path("runs/quantization"))
    parser.add_argument(
        "--pictures", type=int, default=1000, help="of each distance; 0: none"
    )
    parser.add_argument("--only", default="", help="names of rows begin so")
    words = parser.parse_args(argv)
    record = words.docs / "quantization.json"
    for model in words.models:
        bench = Bench(model, words.pictures)
        measured = Measured(model, Record(record, bench.data), bench, words.work)
        variants = [v for v in variants_of(bench.data) if v.name.startswith(words.only)]
        for variant in variants:
            measured.likeness(variant)
        if ATTENTION.startswith(words.only):
            measured.attention()
        for name in SELECTIONS:
            if name.startswith(words.only):
                measured.selection(name)
        for count in TRAINED:
            if TRAINING.format(count).startswith(words.only):
                measured.training(count)
        if FEATURES.startswith(words.only):
            measured.features()
        if CALIBRATION.startswith(words.only):
            measured.calibration()
        for variant in variants if words.pictures else ():
            measured.distance(variant)
            if variant.distance:
                measured.base(variant.steps)
    rows = read_record(record)
    write_page(words.docs / "quantization.md", "quantization", text_of(rows))
    if words.docs == DOCS:
        for number, verdict in (VERDICTS | TUNED | OF_TIME).items():
            found = verdict(rows)
            if found:
                record_system(number, **found)


if __name__ == "__main__":
    main()
