"""Autoguidance: a worse version of a model guides it, with classes or without."""

from pdm_tf.config.guidance import AutoguidanceConfig as Config
from pdm_tf.denoisers.autoguidance import with_guide
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Context, Derivation
from pdm_tf.errors import MissingSetting

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "guided"
PAPER = (
    "Guiding a Diffusion Model with a Bad Version of Itself, Karras et al., "
    "arXiv 2406.02507"
)
REPORTED = "FID 1.01 for ImageNet-64 and 1.25 for ImageNet-512, from 1.58 and 1.81"


def derive(base: Denoiser, config: Config, context: Context) -> Derivation:
    """The base with a guide, whose weights are stored with it.

    Args:
      base: any denoiser.
      config: which guide.
      context: opens it.

    Raises:
      InputError: no run, or one of other pictures, classes or levels.
    """
    if context.restoring:
        record = context.facts["guide"]
        guide = context.build_run(record)
    else:
        if not config.guide:
            raise MissingSetting("guide", "name the directory of a run")
        record, guide = context.open_run(config.guide)
    return Derivation(
        with_guide(base, guide),
        sampling={"sample_guidance": config.weight},
        facts={"guide": record},
    )
