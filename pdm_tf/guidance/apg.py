"""Adaptive projected guidance: strong guidance that does not saturate."""

from typing import Any

from pdm_tf.config.guidance import APGConfig as Config
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.derivation import Derivation

__all__ = ["KIND", "PAPER", "Config", "derive"]

KIND = "guided"
PAPER = (
    "Eliminating Oversaturation and Artifacts of High Guidance Scales in Diffusion "
    "Models, Sadat et al., arXiv 2410.02416"
)
REPORTED = "less saturation than classifier-free guidance at the same quality"


def derive(base: Denoiser, config: Config, context: Any = None) -> Derivation:
    """The base, whose guidance is projected, bounded and pushed on.

    Args:
      base: a denoiser with classes or a guide.
      config: how, see `denoisers.combination.Combination`.
      context: nothing is needed.
    """
    changes = {
        "guidance_parallel": config.parallel,
        "guidance_norm": config.norm,
        "guidance_momentum": config.momentum,
        "sample_guidance": config.weight,
    }
    return Derivation(base, sampling=changes)
