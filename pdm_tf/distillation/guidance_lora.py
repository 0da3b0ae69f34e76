"""Guidance in one evaluation, by adapters on the model's own weights (2312.06899).

The base is the teacher and, with low-rank adapters on its layers, the student too: one
copy of its weights is held, and of the adapters alone there are gradients, slots of the
optimiser and averages.
"""

from typing import Any

from pdm_tf.config.distillation import GuidanceLoraConfig as Config
from pdm_tf.denoisers import Derivation
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.distilled import distilled
from pdm_tf.distillation.adapting import adapt, once_guided
from pdm_tf.errors import InputError, SettingError
from pdm_tf.objectives.guidance_distillation import GuidanceDistillation

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "distilled"
PAPER = (
    "LoRA-Enhanced Distillation on Guided Diffusion Models, Golnari, arXiv 2312.06899"
)
REPORTED = "half of the memory of distillation and 40 % less time to sample"
NOT_REPRODUCED = (
    "Stable Diffusion and its prompts; the paper's loss and rank, which its abstract "
    "does not give"
)


def derive(base: Denoiser, config: Config, context: Any) -> Derivation:
    """The base with new adapters, and what trains them to guide.

    Args:
      base: is conditioned on something; may have a plan of its own, or be a split.
      config: settings of the method.
      context: settings of the base's run.

    Raises:
      InputError: no labels, a base that guides already, or one without networks.
      SettingError: a rank or layers that do not exist, or a negative number of steps.
    """
    _check(base, config)
    ends = _range(config)
    default = config.guidance if ends else None
    adapted = adapt(base, config.rank, config.seed, config.layers, guidance=default)
    settings = context.settings
    objective = GuidanceDistillation(
        teacher=adapted.base,
        student=adapted.learner,
        variables=adapted.variables,
        guidance=config.guidance,
        sampling=settings.sampling,
        weighting=settings.diffusion.weighting,
        label_dropout=config.label_dropout,
        t_range=(0, base.schedule.timesteps - 1),  # wherever it may be sampled
        trajectory_steps=config.trajectory_steps,
        guidance_range=ends,
        at_once=config.microbatch,
    )
    asked = config.guidance if ends else 1.0
    changes = once_guided(base, guidance=asked)
    facts: dict[str, Any] = {"guidance": config.guidance}
    if ends:
        facts["guidance_range"] = list(ends)
    student = distilled(adapted.student, **facts)
    return Derivation(student, objective, changes, facts={"distilled": facts})


def _range(config: Config) -> tuple[float, float] | None:
    """Least and largest w of a student that takes it."""
    given = config.guidance_range
    if not given:
        return None
    if len(given) != 2 or not 1.0 <= given[0] < given[1]:
        remedy = "give two numbers, low,high, from 1 on"
        raise SettingError("guidance_range", ",".join(map(str, given)), remedy)
    if not given[0] <= config.guidance <= given[1]:
        remedy = f"choose from {given[0]:g} to {given[1]:g}, the range"
        raise SettingError("guidance", config.guidance, remedy)
    return given[0], given[1]


def _check(base: Denoiser, config: Config) -> None:
    if not base.takes_conditions:
        raise InputError(
            "guidance needs labels, but the base has no classes or attributes"
        )
    if config.trajectory_steps < 0:
        steps = config.trajectory_steps
        raise SettingError("trajectory_steps", steps, "give 0 or more")
