"""The seam: a denoiser maps (z, level) to an estimate about the picture.

Guidance, thresholding, constraints and splitting are denoisers made of denoisers.
"""

from pdm_tf.denoisers.constrained import constrained
from pdm_tf.denoisers.denoiser import (
    Denoiser,
    NetworkDenoiser,
    Prediction,
    StatefulDenoiser,
)
from pdm_tf.denoisers.empirical import EmpiricalDenoiser
from pdm_tf.denoisers.guidance import guided
from pdm_tf.denoisers.split import split
from pdm_tf.denoisers.threshold import thresholded

__all__ = [
    "Denoiser",
    "EmpiricalDenoiser",
    "NetworkDenoiser",
    "Prediction",
    "StatefulDenoiser",
    "constrained",
    "guided",
    "split",
    "thresholded",
]
