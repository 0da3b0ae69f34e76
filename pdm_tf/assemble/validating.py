"""Which of a training's last checkpoints is the best, by the pictures they give.

Distances are in random features, from seeds that no report draws from: what chooses a
model must not be what it is praised by.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.config import Config
from pdm_tf.data.sources import Source
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Validation
from pdm_tf.evaluation import metrics
from pdm_tf.evaluation.features import open_features
from pdm_tf.evaluation.features.random_convolutions import SMALLEST
from pdm_tf.progress import say
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.generator import labels_in_turn
from pdm_tf.training.averages import load_average, load_averages_of

FIRST_SEED = 2**30
_REFERENCE, _BATCH = 2000, 100


def load_best(
    directory: Path,
    variables: Mapping[str, tf.Variable],
    denoiser: Denoiser,
    settings: Config,
    validation: Validation | None,
    source: Source,
) -> dict[str, Any]:
    """Puts the averages of the best checkpoint into variables.

    The newest one is taken where nothing is to be validated, and where pictures are too
    small to be compared.

    Args:
      directory: of the checkpoints.
      variables: what learnt, by name; the denoiser computes with them.
      denoiser: what gives pictures.
      settings: as it samples.
      validation: how; None: not at all.
      source: pictures that it should be close to.

    Returns:
      {"step": of the checkpoint, "distances": those of all by step} for model.json.
    """
    small = min(denoiser.image_shape[:2]) < SMALLEST
    if validation is None or validation.images < 2 or small:
        return {"step": load_average(directory, variables)}
    extractor = open_features("random")
    chosen = np.linspace(0, len(source) - 1, min(len(source), _REFERENCE), dtype=int)
    real = metrics.gaussian_of(source.read(chosen)[0], extractor)
    generator = DenoiserGenerator(denoiser, settings.sampling)
    distances = {}
    for step in load_averages_of(directory, variables):
        pictures = _draw(generator, validation, settings.sampling.sample_guidance)
        found = metrics.gaussian_of(pictures, extractor)
        distances[step] = metrics.frechet_distance(found, real)
        say(f"checkpoint {step}: distance {distances[step]:.4g}")
    best = min(distances, key=lambda step: (distances[step], step))
    for _ in load_averages_of(directory, variables, [best]):
        pass
    return {"step": best, "distances": {str(n): d for n, d in distances.items()}}


def _draw(
    generator: DenoiserGenerator, validation: Validation, guidance: float
) -> np.ndarray:
    seeds = FIRST_SEED + np.arange(validation.images, dtype=np.int32)
    labels = labels_in_turn(generator, seeds)
    made = []
    for first in range(0, len(seeds), _BATCH):
        rows = slice(first, first + _BATCH)
        asked = validation.steps, guidance, validation.sampler
        made.append(generator.generate(seeds[rows], labels[rows], *asked))
    return np.concatenate(made)
