"""Metrics of a run while it trains: curves of them, the best weights, an early end."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdm_tf.assemble.class_names import read_class_names, write_class_names
from pdm_tf.assemble.runs import WEIGHTS, write_settings
from pdm_tf.assemble.validating import FIRST_SEED
from pdm_tf.config import Config
from pdm_tf.config.sampling import WATCHED
from pdm_tf.data.sources import Source
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.evaluation import metrics
from pdm_tf.evaluation.choosing_features import features_for
from pdm_tf.evaluation.features import open_features, pooled_of
from pdm_tf.evaluation.metrics.manifold import members
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.generator import labels_in_turn
from pdm_tf.storage.arrays import write_arrays
from pdm_tf.storage.files import write_json
from pdm_tf.storage.reading import read_json
from pdm_tf.training.ema import MovingAverage

FILE, FOLDER = "metrics.json", "best"
_REFERENCE, _BATCH = 2000, 100
_RISING = {"precision", "recall"}  # better where they are larger

Row = dict[str, Any]


class Shown(NamedTuple):
    """What a measurement is made of, beside the settings."""

    denoise: Denoiser
    average: MovingAverage
    source: Source
    report: Callable[[int, dict[str, float]], None]


class Measuring:
    """Measures pictures of the averaged weights now and then.

    Pictures are of seeds that no report draws from, and the reference is what is
    trained on: what chooses weights must not be what they are praised by.

    Args:
      config: settings of the run.
      shown: what draws, and who is shown what is found.
    """

    def __init__(self, config: Config, shown: Shown) -> None:
        self._config, self._monitoring, self._shown = config, config.monitoring, shown
        self._run_dir = Path(config.training.run_dir)
        name = self._monitoring.evaluate_features
        shape = config.network.image_shape
        self._extract = open_features(features_for(shape) if name == "auto" else name)
        self._generator = DenoiserGenerator(shown.denoise, config.sampling)
        self._real: np.ndarray | None = None

    def happen(self, step: int) -> bool:
        """Measures, and keeps what is the best; whether the training may end."""
        rows = [row for row in read_rows(self._run_dir) if row["step"] < step]
        values = self._measure()
        rows.append({"step": step, **values})
        shown = {f"metrics/{name}": value for name, value in values.items()}
        self._shown.report(step, shown)
        best = best_of(rows, self._monitoring.best_by)
        if best == len(rows) - 1:
            self._keep()
        write_json(self._run_dir / FILE, rows)
        patience = self._monitoring.stop_after
        return bool(patience) and len(rows) - 1 - best >= patience

    def _measure(self) -> dict[str, float]:
        if self._real is None:
            source = self._shown.source
            count = min(len(source), _REFERENCE)
            chosen = np.linspace(0, len(source) - 1, count, dtype=int)
            self._real = pooled_of(source.read(chosen)[0], self._extract)
        with self._shown.average.applied():
            own = pooled_of(self._draw(), self._extract)
        drawn, real = (
            metrics.FeatureMoments.of(part).gaussian() for part in (own, self._real)
        )
        precision, recall = members(own, self._real)
        return {
            "frechet": metrics.frechet_distance(drawn, real),
            "kid": metrics.kid(own, self._real),
            "precision": float(precision.mean()),
            "recall": float(recall.mean()),
        }

    def _draw(self) -> np.ndarray:
        count = self._monitoring.evaluate_images
        seeds = FIRST_SEED + np.arange(count, dtype=np.int32)
        labels = self._labels(seeds)
        steps = self._monitoring.evaluate_steps
        asked = steps, self._config.sampling.sample_guidance, WATCHED.sampler
        rows = [slice(first, first + _BATCH) for first in range(0, count, _BATCH)]
        made = [self._generator.generate(seeds[r], labels[r], *asked) for r in rows]
        return np.concatenate(made)

    def _labels(self, seeds: np.ndarray) -> np.ndarray:
        """Classes in turn; conditions as the pictures have them that teach."""
        if self._shown.denoise.conditions is None:
            return labels_in_turn(self._generator, seeds)
        source = self._shown.source
        return source.read(np.linspace(0, len(source) - 1, len(seeds), dtype=int))[1]

    def _keep(self) -> None:
        """Writes the averaged weights of the moment as a model of their own."""
        out, settings = self._run_dir / FOLDER, self._config
        weights = self._shown.average.weights.items()
        write_arrays(out / WEIGHTS, {name: v.numpy() for name, v in weights})
        write_class_names(out, read_class_names(self._run_dir, settings))
        training = replace(settings.training, run_dir=str(out))
        write_settings(replace(settings, training=training))


def best_of(rows: list[Row], criterion: str) -> int:
    """The place of the best row; of equal ones the first."""
    sign = -1.0 if criterion in _RISING else 1.0
    return min(range(len(rows)), key=lambda i: (sign * rows[i][criterion], i))


def read_rows(run_dir: Path) -> list[Row]:
    """What was measured of a run, by step; nothing where nothing was."""
    path = run_dir / FILE
    found = read_json(path) if path.is_file() else []
    return found if isinstance(found, list) else []
