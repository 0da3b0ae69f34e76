"""Guidance in one evaluation, by adapters on the model's own weights (2312.06899).

The base is the teacher and, with low-rank adapters on its layers, the student too: one
copy of its weights is held, and of the adapters alone there are gradients, slots of the
optimiser and averages.
"""

from typing import Any

from pdm_tf.adapters import lora_plan
from pdm_tf.config.distillation import GuidanceLoraConfig as Config
from pdm_tf.denoisers import Derivation, NetworkDenoiser, Wrapper
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.errors import InputError, SettingError
from pdm_tf.objectives.guidance_distillation import GuidanceDistillation

__all__ = ["KIND", "PAPER", "Config", "GuidanceDistilled", "derive"]

KIND = "distilled"
PAPER = (
    "LoRA-Enhanced Distillation on Guided Diffusion Models, Golnari, arXiv 2312.06899"
)
REPORTED = "half of the memory of distillation and 40 % less time to sample"
NOT_REPRODUCED = (
    "Stable Diffusion and its prompts; the paper's loss and rank, which its abstract "
    "does not give"
)


class GuidanceDistilled(Wrapper):
    """A denoiser that estimates in one evaluation what guidance gave its teacher.

    Args:
      denoise: the student.
      guidance: w of the teacher.
    """

    def __init__(self, denoise: Denoiser, guidance: float) -> None:
        super().__init__(denoise)
        self.distilled_guidance = guidance


def derive(base: Denoiser, config: Config, context: Any) -> Derivation:
    """The base with new adapters, and what trains them to guide.

    Args:
      base: has classes; may have a plan of its own, or be a split.
      config: settings of the method.
      context: settings of the base's run.

    Raises:
      InputError: no classes, a base that guides already, or one without networks.
      SettingError: a rank or layers that do not exist, or a negative number of steps.
    """
    _check(base, config)

    def adapted(denoise: Denoiser) -> Denoiser:
        network = _network_of(denoise)
        plan = lora_plan(network.network, config.rank, config.seed, config.layers)
        return network.with_plan(plan)

    student = base.map_innermost(adapted)
    held = {id(variable) for variable in base.variables.values()}
    settings = context.settings
    objective = GuidanceDistillation(
        teacher=base.map_innermost(_inlined),
        student=student.map_innermost(_inlined),
        variables={n: v for n, v in student.variables.items() if id(v) not in held},
        guidance=config.guidance,
        sampling=settings.sampling,
        weighting=settings.diffusion.weighting,
        label_dropout=config.label_dropout,
        t_range=(0, base.schedule.timesteps - 1),  # wherever it may be sampled
        trajectory_steps=config.trajectory_steps,
    )
    unguided = {"sample_guidance": 1.0, "guidance_interval": ()}
    distilled = GuidanceDistilled(student, config.guidance)
    return Derivation(distilled, objective, unguided)


def _check(base: Denoiser, config: Config) -> None:
    if not base.num_classes:
        raise InputError("guidance needs labels, but the base has no classes")
    if base.distilled_guidance is not None:
        raise InputError(
            f"the base guides already, at w = {base.distilled_guidance:g}; derive from "
            "the model that it was derived from"
        )
    if config.trajectory_steps < 0:
        steps = config.trajectory_steps
        raise SettingError("trajectory_steps", steps, "give 0 or more")


def _network_of(denoise: Denoiser) -> NetworkDenoiser:
    if not isinstance(denoise, NetworkDenoiser):
        raise InputError(
            f"adapters need a network, and {type(denoise).__name__} has none"
        )
    return denoise


def _inlined(denoise: Denoiser) -> NetworkDenoiser:
    """The same, not a function apart: so a training step holds and takes less."""
    network = _network_of(denoise)
    return NetworkDenoiser(
        network.network,
        network.schedule,
        network.prediction,
        network.labels,
        apart=False,
        plan=network.plan,
    )
