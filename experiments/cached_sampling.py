"""What the experiments on cached networks share: pictures, times and operations."""

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.cached_table import EQUAL
from experiments.pages import read_record, write_record
from pdm_tf.acceleration.cached_network import CachedNetwork
from pdm_tf.assemble import open_model
from pdm_tf.data.images import to_uint8
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.diffusion import Grid
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.metrics import frechet, gaussian_of, sqnr
from pdm_tf.profiling.flops import count_call_flops
from pdm_tf.samplers import DDIM, Sampler, sample

FEATURES = {"mnist": "digits"}  # others: random convolutions
TIMED = {"mnist": 8}  # pictures at once where times are taken; others 4
BATCH, ROUNDS = 50, 15


class Bench:
    """A model and the pictures it was trained on, ready to measure what caches do.

    Args:
      path: the model.
      count: pictures of each Fréchet distance.
    """

    def __init__(self, path: str, count: int = 1000) -> None:
        model = open_model(path)
        self.settings, self.base = model.settings, model.denoiser
        self.data, self.count = model.settings.data.dataset, count
        self.extract = open_features(FEATURES.get(self.data, "random"))
        source = open_source(self.data, self.base.image_shape, self.base.num_classes)
        real, _ = source.read(np.arange(len(source)))
        self.real = gaussian_of(real, self.extract)

    @property
    def guidance(self) -> float:
        """The weight that the run samples with; 1 without classes."""
        return self.settings.sampling.sample_guidance if self.base.num_classes else 1.0

    def sampling(self, denoise: Denoiser, count: int) -> Denoiser:
        """The denoiser of `count` pictures, all classes in turn, as its run samples."""
        labels = np.arange(count) % max(1, denoise.num_classes)
        settings = self.settings.sampling
        return for_sampling(denoise, labels, self.guidance, settings)

    def pictures(
        self,
        denoise: Denoiser,
        steps: int,
        count: int,
        sampler: Sampler | None = None,
        at_once: int = BATCH,
    ) -> np.ndarray:
        """float32 [count, H, W, C], of seeds 0 to count - 1, in whole batches."""
        denoise = self.sampling(denoise.with_constant_weights(), at_once)
        grid, sampler = denoise.schedule.grid(steps), sampler or DDIM()
        made = [
            sample(denoise, sampler, grid, range(n, n + at_once), denoise.image_shape)
            for n in range(0, count, at_once)
        ]
        return np.concatenate([np.asarray(x) for x in made])

    def distance(self, pictures: np.ndarray) -> float:
        """Fréchet distance of pictures to those of the data."""
        return frechet(np.asarray(to_uint8(pictures)), self.real, self.extract)

    def quality(self, denoise: Denoiser, steps: int, near: int) -> dict[str, Any]:
        """Fréchet distance of its pictures, and what remains of the base's.

        Args:
          denoise: the model.
          steps: of DDIM.
          near: steps of the base for the pictures that SQNR [dB] compares with.
        """
        made = self.pictures(denoise, steps, self.count)
        found = {"steps": steps, "guidance": self.guidance, "pictures": self.count}
        if denoise is not self.base:
            ratios = sqnr(self.pictures(self.base, near, BATCH), made[:BATCH])
            found["sqnr"] = round(float(np.mean(ratios)), 2)
        return found | {"distance": self.distance(made)}

    def times(
        self, denoisers: Mapping[str, Denoiser], steps: int, count: int, rounds: int = 5
    ) -> dict[str, dict[str, float]]:
        """Times of a trajectory, measured in turn, so that other work disturbs all.

        Returns:
          For each name: median seconds, processor seconds, and the median of how many
          times faster than the first it was in the same round, by both clocks.
        """
        ready = {
            name: self.sampling(d.with_constant_weights(), count)
            for name, d in denoisers.items()
        }
        grid = self.base.schedule.grid(steps)
        for denoise in ready.values():  # traces, and lays out filters
            self._timed(denoise, self.base.schedule.grid(4), count)
        found = [
            {name: self._timed(d, grid, count) for name, d in ready.items()}
            for _ in range(rounds)
        ]
        first = next(iter(ready))
        return {
            name: {
                "seconds": median(row[name][0] for row in found),
                "processor_seconds": median(row[name][1] for row in found),
                "faster": median(row[first][0] / row[name][0] for row in found),
                "faster_processor": median(
                    row[first][1] / row[name][1] for row in found
                ),
            }
            for name in ready
        }

    def _timed(self, denoise: Denoiser, grid: Grid, count: int) -> tuple[float, float]:
        begun = time.perf_counter(), time.process_time()
        np.asarray(sample(denoise, DDIM(), grid, range(count), denoise.image_shape))
        return time.perf_counter() - begun[0], time.process_time() - begun[1]


class Record:
    """Rows by model and name in a JSON file, written as they come."""

    def __init__(self, path: Path, data: str = "") -> None:
        self.path, self.data, self.rows = path, data, read_record(path)

    def find(self, name: str) -> dict[str, Any]:
        """The row of that name; empty if there is none."""
        for row in self.rows:
            if (row["data"], row["name"]) == (self.data, name):
                return row
        return {}

    def write(self, name: str, **found: Any) -> None:
        """Adds fields to a row."""
        row = self.find(name)
        if not row:
            row = {"data": self.data, "name": name}
            self.rows.append(row)
        row.update(found)
        write_record(self.path, self.rows)
        print(self.data, name, found, flush=True)


def measure_times(
    bench: Bench, record: Record, cached: Mapping[str, Denoiser], steps: int
) -> None:
    """Times of the base and of what was made of it, if they are not on record yet."""
    if all("faster" in record.find(name) for name in cached):
        return
    count = TIMED.get(bench.data, 4)
    found = bench.times({"uncached": bench.base, **cached}, steps, count, ROUNDS)
    for name, times in found.items():
        rounded = {key: round(value, 3) for key, value in times.items()}
        record.write(name, at_once=count, **rounded)


def measure_quality(
    bench: Bench, record: Record, cached: Mapping[str, Denoiser], steps: int
) -> None:
    """Distances of the base, of what was made of it, and of the base at equal cost."""
    todo: dict[str, tuple[Denoiser, int]] = {"uncached": (bench.base, steps)}
    for name, denoise in cached.items():
        equal = round(steps / record.find(name)["ceiling"])
        todo[name] = denoise, steps
        todo[f"{name}: {EQUAL}"] = bench.base, equal
    for name, (denoise, count) in todo.items():
        if "distance" not in record.find(name):
            record.write(name, **bench.quality(denoise, count, steps))


def ceiling(cached: CachedNetwork, steps: int, keys: int) -> float:
    """How many times fewer operations a trajectory with `keys` key steps needs."""
    full, cheap = operations(cached)
    return round(steps * full / (keys * full + (steps - keys) * cheap), 3)


def operations(cached: CachedNetwork) -> tuple[int, int]:
    """Floating-point operations of a key step and of another, for one picture."""
    base = cached.denoise
    inputs: list[Any] = [
        tf.TensorSpec([1, *base.image_shape], tf.float32),
        tf.TensorSpec([1], tf.int32),
    ]
    if base.num_classes:
        inputs.append(tf.TensorSpec([1], tf.int32))
    kept = tf.nest.map_structure(
        lambda spec: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype), cached.kept
    )
    full = count_call_flops(lambda *given: cached.run_full(*given)[0], *inputs)
    cheap = count_call_flops(cached.run_cheap, *inputs, kept)
    assert full and cheap
    return full, cheap
