"""Pictures of an export and of its model, and what tells them apart."""

from pathlib import Path

import numpy as np

from pdm_tf.evaluation.bootstrap import (
    BootstrapGroups,
    count_groups,
    draw_weights,
    interval,
)
from pdm_tf.evaluation.features.extractor import Extractor
from pdm_tf.evaluation.metrics import FeatureGaussian, FeatureMoments, frechet_distance
from pdm_tf.evaluation.metrics.moments import merged
from pdm_tf.progress import progress
from pdm_tf.serving.generator import ImageGenerator
from pdm_tf.storage.files import write_npy

AT_ONCE, KEPT = 16, 200  # pictures of a batch, and of a file
REPLICATES = 100


def draw(
    generator: ImageGenerator,
    count: int,
    steps: str,
    sampler: str,
    kept: Path | None = None,
) -> np.ndarray:
    """Pictures of seeds 0 … count - 1, uint8 [count, H, W, C].

    Args:
      generator: what generates them.
      count: how many.
      steps: of the sampler.
      sampler: its name.
      kept: a folder where they are kept, and looked for.
    """
    made = []
    for first in progress(range(0, count, KEPT), "drawing", "parts"):
        size = min(KEPT, count - first)
        file = kept / f"{first}-{size}.npy" if kept else None
        if file is None or not file.is_file():
            part = _draw(generator, range(first, first + size), steps, sampler)
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_npy(file, part)
        else:
            part = np.load(file)
        made.append(part)
    return np.concatenate(made)


def _draw(
    generator: ImageGenerator, seeds: range, steps: str, sampler: str
) -> np.ndarray:
    parts = []
    for first in seeds[::AT_ONCE]:
        some = np.arange(first, min(first + AT_ONCE, seeds.stop), dtype=np.int32)
        labels = some % max(1, generator.num_classes)
        parts.append(
            generator.generate(some, labels, steps, generator.guidance, sampler)
        )
    return np.concatenate(parts)


def sqnr_of_each(original: np.ndarray, cheaper: np.ndarray) -> np.ndarray:
    """Power of all originals about their mean over that of each difference [dB]."""
    wide = original.astype(np.float64)
    signal = wide.var()  # as `sqnr` has it
    noise = np.square(wide - cheaper).mean(axis=(1, 2, 3))
    return 10 * np.log10(signal / np.maximum(noise, 1e-9))


def ratio_with_interval(
    original: np.ndarray,
    cheaper: np.ndarray,
    reference: FeatureGaussian,
    extractor: Extractor,
) -> tuple[float, float, float]:
    """Fréchet distance of the cheaper pictures over the originals', and its interval.

    Both sets are resampled alike, picture n of one with picture n of the other.
    """
    pooled = [_pooled(pictures, extractor) for pictures in (original, cheaper)]
    size = pooled[0].shape[1]
    groups = max(1, min(count_groups(REPLICATES, [size, size]), len(original) // 2))
    group = BootstrapGroups(groups, 0).draw(len(original))
    parts = [
        [FeatureMoments.of(rows[group == g]) for g in range(groups)] for rows in pooled
    ]

    def ratio(weights: np.ndarray | None = None) -> float:
        quick = weights is not None  # intervals can bear it
        first, second = (
            frechet_distance(merged(each, weights).gaussian(), reference, quick)
            for each in parts
        )
        return second / first

    weights = draw_weights(groups, REPLICATES, 0)
    found = interval(ratio(), [ratio(w) for w in weights], groups)
    low = found.value if found.low is None else found.low
    high = found.value if found.high is None else found.high
    return found.value, low, high


def _pooled(pictures: np.ndarray, extractor: Extractor) -> np.ndarray:
    cuts = range(KEPT, len(pictures), KEPT)
    return np.concatenate([extractor(p).pooled for p in np.split(pictures, cuts)])
