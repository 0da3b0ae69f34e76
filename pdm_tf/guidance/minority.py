"""Minority guidance: what is rare for a model is drawn more often."""

from typing import Any

import keras
import numpy as np

from pdm_tf.config.guidance import MinorityConfig as Config
from pdm_tf.denoisers.classifier_guidance import ClassDensity, classifier_guided
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.errors import SettingError
from pdm_tf.guidance.minority_score import (
    classes_of,
    minority_scores,
    quantile_edges,
)
from pdm_tf.networks.classifier import NoisyClassifier
from pdm_tf.objectives.noisy_classification import NoisyClassification
from pdm_tf.progress import progress

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "guided"
PAPER = (
    "Don't Play Favorites: Minority Guidance for Diffusion Models, Um et al., arXiv "
    "2301.12334"
)
NOT_REPRODUCED = (
    "LPIPS as the distance (here mean squares), ADM's classifier (here a small one); "
    "the gradient moves the estimate of x, under every sampler"
)


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base, guided to the rarest pictures by a classifier of rarity.

    Training pictures are scored, and cut into classes of equal size by their scores; a
    classifier learns these of noisy pictures.

    Args:
      base: any denoiser.
      config: settings of the method.
      context: the pictures that the base was trained on.

    Raises:
      SettingError: a number of classes or pictures that makes no sense.
    """
    if config.classes < 2:
        raise SettingError("classes", config.classes, "at least 2 are needed")
    keras.utils.set_random_seed(config.seed)
    network = NoisyClassifier(base.image_shape, config.classes, config.width)
    density = ClassDensity(network, wanted=config.classes - 1)
    made = classifier_guided(base, density, config.strength)
    if context.restoring:
        return Derivation(made, facts=context.facts)
    pictures, scores = _scored(base, config, context)
    edges = quantile_edges(scores, config.classes)
    objective = NoisyClassification(
        network,
        density.variables,
        base.schedule,
        pictures,
        classes_of(scores, edges),
    )
    return Derivation(made, objective, facts={"score_edges": edges.tolist()})


def _scored(
    base: Denoiser, config: Config, context: Context
) -> tuple[np.ndarray, np.ndarray]:
    """Training pictures, uint8, and their scores, which are kept once they are found.

    They are spread over the data set, which may be sorted by class.
    """
    source = context.open_source()
    count = min(len(source), config.pictures)
    if count < config.classes:
        raise SettingError(
            "pictures", config.pictures, f"at least {config.classes} are needed"
        )
    pictures: Any = source.read(np.linspace(0, len(source) - 1, count).astype(int))[0]
    kept = context.kept("scores")
    if kept is None:
        timestep = base.schedule.timestep(config.snr)
        total = config.draws * count
        with progress(None, "scoring", "evaluations", total=total) as bar:
            given = base, pictures, timestep, config.draws, config.seed
            kept = {"scores": minority_scores(*given, advance=bar.update)}
        context.keep("scores", kept)
    return pictures, kept["scores"]
