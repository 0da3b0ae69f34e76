"""Few steps whose pictures are distributed as the data: MMD-DDM (2301.07969).

The base learns through its own unrolled sampler, from no teacher: the pictures that it
draws in a few steps shall have the features of the data.
"""

from typing import Any

import numpy as np

from pdm_tf.config.distillation import MMDConfig as Config
from pdm_tf.config.sampling import HALVED, SamplerDefault
from pdm_tf.data.images import to_float
from pdm_tf.denoisers import Derivation
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Validation
from pdm_tf.denoisers.distilled import distilled
from pdm_tf.distillation.adapting import adapt, once_guided
from pdm_tf.errors import InputError, SettingError
from pdm_tf.objectives.classifier import train_classifier
from pdm_tf.objectives.mean_discrepancy import (
    KERNELS,
    MeanDiscrepancy,
    Reference,
    labelled,
    self_similarity,
)
from pdm_tf.objectives.principal_features import (
    Look,
    PrincipalFeatures,
    fit_features,
    look_through,
    look_with,
)
from pdm_tf.progress import progress
from pdm_tf.samplers import SPACINGS, open_sampler

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "distilled"
PAPER = (
    "Fast Inference in Denoising Diffusion Models via MMD Finetuning, Aiello et al., "
    "arXiv 2301.07969"
)
REPORTED = "CIFAR-10, CelebA: a fraction of the time of sampling in many steps"
NOT_REPRODUCED = (
    "features of Inception and CLIP (here of a classifier of the run's pictures, or of "
    "the base's own network), CelebA; all weights learn there, low-rank adapters here"
)
_KEPT, _CLASSIFIER = "features", "classifier"  # for a command that goes on
_SEEN = 10_000  # pictures that a classifier learns from, at most


def derive(base: Denoiser, config: Config, context: Any) -> Derivation:
    """The base with new adapters, and what trains them through the sampler.

    Args:
      base: a model, distilled or not; one that is not is sampled without guidance.
      config: settings of the method.
      context: settings of the base's run, and its pictures.

    Raises:
      InputError: a base without networks, or with more conditions than one class.
      SettingError: a rank, layers or a sampler that do not exist, or steps that do not
        fit.
    """
    if base.conditions is not None:
        raise InputError(
            "mmd compares pictures of classes, and the base has attributes or several "
            "labels a picture; distil it by lcm_lora or progressive"
        )
    name = config.sampler or (base.own_sampler.sampler if base.own_sampler else HALVED)
    sampler = open_sampler(name)
    grid = base.schedule.grid(config.steps, SPACINGS[name])
    adapted = adapt(base, config.rank, config.seed, config.layers, again=True)
    guidance = 1.0 if base.distilled_guidance is None else base.distilled_guidance
    facts: dict[str, Any] = {"guidance": guidance, "sampler": [name, config.steps]}
    student = distilled(adapted.student, **facts)
    changes = once_guided(base, SamplerDefault(name, config.steps))
    known = {"distilled": facts}
    if context.restoring:
        return Derivation(student, None, changes, known)
    features, reference = _reference(adapted.base, config, context)
    objective = MeanDiscrepancy(
        student=distilled(adapted.learner, **facts),
        variables=adapted.variables,
        sampler=sampler,
        grid=grid,
        features=features,
        reference=reference,
        kernel=config.kernel,
        label_weight=config.label_weight,
        sampling=context.settings.sampling,
        label_dropout=config.label_dropout if base.num_classes else 0.0,
        recompute=config.recompute,
    )
    validation = Validation(name, config.steps, config.validation_images)
    return Derivation(student, objective, changes, known, validation)


def _reference(
    base: Denoiser, config: Config, context: Any
) -> tuple[PrincipalFeatures, Reference]:
    """What pictures are compared by, and the data's side of it."""
    source = context.open_source()
    count = min(config.reference_images, len(source))
    if count < 2:
        raise SettingError("reference_images", count, "two pictures are needed")
    pictures, labels = source.read(np.linspace(0, len(source) - 1, count, dtype=int))
    look = _look(base, config, context, source)
    kept = context.kept(_KEPT)
    if kept is None:
        with progress(None, "looking", "pictures", total=count) as bar:
            kept = fit_features(look, to_float(pictures), config.features, bar.update)
        context.keep(_KEPT, kept)
    features, null = kept["features"], base.num_classes
    if null:
        drop = np.random.default_rng(config.seed).random(count) < config.label_dropout
        labels = np.where(drop, null, labels)
    joint = labelled(features, labels, null, config.label_weight)
    similarity = float(self_similarity(joint, KERNELS[config.kernel]))
    extract = PrincipalFeatures(look, kept["mean"], kept["axes"])
    return extract, Reference(features, labels.astype(np.int32), similarity)


def _look(base: Denoiser, config: Config, context: Any, source: Any) -> Look:
    """What sees the pictures: the base's own network, or a classifier of the data."""
    if not (config.classifier and base.num_classes):
        return look_with(base)
    weights = context.kept(_CLASSIFIER)
    if weights is None:
        context.note("a classifier learns the pictures, by which they are compared")
        pictures, labels = source.read(np.arange(min(len(source), _SEEN)))
        given = to_float(pictures), labels, base.num_classes
        weights = train_classifier(*given, config.classifier, config.seed)
        context.keep(_CLASSIFIER, weights)
    return look_through(weights)
