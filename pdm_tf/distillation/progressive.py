"""Half as many steps, by adapters alone: progressive distillation (2202.00512).

One command halves the steps once. Its model is the base of the next, so that a chain of
them comes from many steps to one: 2N steps of the base teach N steps of the student.
"""

from typing import Any

from pdm_tf.config.distillation import ProgressiveConfig as Config
from pdm_tf.config.sampling import HALVED, SamplerDefault
from pdm_tf.denoisers import Derivation
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Validation
from pdm_tf.denoisers.distilled import distilled
from pdm_tf.distillation.adapting import adapt, once_guided
from pdm_tf.errors import InputError, SettingError
from pdm_tf.objectives.progressive import ProgressiveDistillation

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "distilled"
PAPER = (
    "Progressive Distillation for Fast Sampling of Diffusion Models, Salimans and Ho, "
    "arXiv 2202.00512"
)
REPORTED = "CIFAR-10: FID 3.00 in 4 steps, 2.57 in 8, 9.12 in 1"
NOT_REPRODUCED = (
    "CIFAR-10 and ImageNet; all weights learn there, low-rank adapters here, and the "
    "teacher is guided"
)


def derive(base: Denoiser, config: Config, context: Any) -> Derivation:
    """The base with new adapters, and what trains them to halve its steps.

    Args:
      base: a model, or what this method made of it in twice as many steps.
      config: settings of the method.
      context: settings of the base's run.

    Raises:
      InputError: a base that is distilled in another way, or one without networks.
      SettingError: a rank or layers that do not exist, or steps that do not fit.
    """
    _check(base, config)
    adapted = adapt(base, config.rank, config.seed, config.layers, again=True)
    guidance = base.distilled_guidance  # as the first of a chain was guided
    first = guidance is None
    if guidance is None:
        guidance = config.guidance if base.takes_conditions else 1.0
    objective = ProgressiveDistillation(
        teacher=adapted.base,
        student=adapted.learner,
        variables=adapted.variables,
        guidance=guidance if first else 1.0,
        sampling=context.settings.sampling,
        label_dropout=config.label_dropout,
        steps=config.steps,
    )
    facts: dict[str, Any] = {"guidance": guidance, "sampler": [HALVED, config.steps]}
    changes = once_guided(base, SamplerDefault(HALVED, config.steps))
    student = distilled(adapted.student, **facts)
    validation = Validation(HALVED, config.steps, config.validation_images)
    return Derivation(student, objective, changes, {"distilled": facts}, validation)


def _check(base: Denoiser, config: Config) -> None:
    steps, most = config.steps, base.schedule.timesteps // 2
    if not 1 <= steps <= most:
        raise SettingError("steps", steps, f"choose 1 to {most}")
    own = base.own_sampler
    if base.distilled_guidance is None or own == (HALVED, 2 * steps):
        return
    if own is None or own.sampler != HALVED:
        raise InputError(
            "the base is distilled in another way; derive from the model that it was "
            "derived from"
        )
    raise SettingError(
        "steps", steps, f"the base is made for {own.steps}, so give {own.steps // 2}"
    )
