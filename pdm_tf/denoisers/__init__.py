"""The seam: a denoiser maps (z, level) to an estimate of the clean picture.

Guidance, thresholding, constraints and splitting are denoisers made of denoisers.
The one that evaluates a network loads on first use, so that others need no Keras.
"""

from typing import TYPE_CHECKING, Any

from pdm_tf.denoisers.constrained import constrained
from pdm_tf.denoisers.denoiser import (
    Denoiser,
    Prediction,
    StatefulDenoiser,
    Wrapper,
)
from pdm_tf.denoisers.derivation import Derivation
from pdm_tf.denoisers.empirical import EmpiricalDenoiser
from pdm_tf.denoisers.guidance import guided
from pdm_tf.denoisers.split import split
from pdm_tf.denoisers.threshold import thresholded

if TYPE_CHECKING:
    from pdm_tf.denoisers.network import NetworkDenoiser

__all__ = [
    "Denoiser",
    "Derivation",
    "EmpiricalDenoiser",
    "NetworkDenoiser",
    "Prediction",
    "StatefulDenoiser",
    "Wrapper",
    "constrained",
    "guided",
    "split",
    "thresholded",
]


def __getattr__(name: str) -> Any:
    if name != "NetworkDenoiser":
        raise AttributeError(f"module 'pdm_tf.denoisers' has no attribute {name!r}")
    from pdm_tf.denoisers.network import NetworkDenoiser

    return NetworkDenoiser
