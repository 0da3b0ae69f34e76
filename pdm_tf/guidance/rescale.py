"""Rescaled guidance: the conditional estimate's deviation, against burnt colours."""

from typing import Any

from pdm_tf.config.guidance import RescaleConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Derivation

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "guided"
PAPER = (
    "Common Diffusion Noise Schedules and Sample Steps are Flawed, Lin et al., "
    "arXiv 2305.08891"
)
NOT_REPRODUCED = "the deviation is that of x, and not of v"


def derive(base: Denoiser, config: Config, context: Any = None) -> Derivation:
    """The base, whose guided estimates are rescaled.

    Args:
      base: a denoiser with classes or a guide.
      config: how much.
      context: nothing is needed.
    """
    changes = {"guidance_rescale": config.share, "sample_guidance": config.weight}
    return Derivation(base, sampling=changes)
