"""A few evaluations from noise to picture, by adapters alone: LCM-LoRA (2311.05556).

The base with adapters learns to give from any point of the base's trajectories what
lies at their end. The adapters are a vector that can be added to other models of the
same shape: `python -m pdm_tf.adapters add`.
"""

from typing import Any

from pdm_tf.config.distillation import LcmLoraConfig as Config
from pdm_tf.config.sampling import FEW
from pdm_tf.denoisers import Derivation
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Validation
from pdm_tf.denoisers.distilled import Consistent, distilled
from pdm_tf.distillation.adapting import adapt, once_guided
from pdm_tf.errors import SettingError
from pdm_tf.objectives.consistency import ConsistencyDistillation

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "distilled"
PAPER = (
    "LCM-LoRA: A Universal Stable-Diffusion Acceleration Module, Luo et al., "
    "arXiv 2311.05556"
)
REPORTED = "pictures of Stable Diffusion in 4 steps, its adapter added to other models"
NOT_REPRODUCED = "Stable Diffusion, LAION"


def derive(base: Denoiser, config: Config, context: Any) -> Derivation:
    """The base with new adapters, and what trains them to be consistent.

    Args:
      base: with classes or without; may have a plan of its own, or be a split.
      config: settings of the method.
      context: settings of the base's run.

    Raises:
      InputError: a base that is distilled already, or one without networks.
      SettingError: a rank or layers that do not exist, or a number of solver steps that
        the schedule does not have.
    """
    _check(base, config)
    adapted = adapt(base, config.rank, config.seed, config.layers)
    guidance = config.guidance if base.takes_conditions else 1.0
    objective = ConsistencyDistillation(
        teacher=adapted.base,
        student=Consistent(adapted.learner),
        variables=adapted.variables,
        guidance=guidance,
        sampling=context.settings.sampling,
        label_dropout=config.label_dropout,
        solver_steps=config.solver_steps,
        huber=config.huber,
    )
    facts: dict[str, Any] = {
        "guidance": guidance,
        "sampler": list(FEW),
        "consistent": True,
    }
    student = distilled(adapted.student, **facts)
    changes = once_guided(base, FEW)
    validation = Validation(*FEW, config.validation_images)
    known = {"distilled": facts}
    return Derivation(student, objective, changes, known, validation)


def _check(base: Denoiser, config: Config) -> None:
    steps, most = config.solver_steps, base.schedule.timesteps
    if not 1 <= steps <= most:
        raise SettingError("solver_steps", steps, f"choose 1 to {most}")
