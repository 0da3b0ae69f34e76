"""The seam: a denoiser maps (z, level) to a belief about the picture.

Guidance, thresholding and splitting are denoisers made of denoisers.
"""

from pdm_tf.denoisers.denoiser import Denoiser, NetworkDenoiser, Prediction
from pdm_tf.denoisers.guidance import guided
from pdm_tf.denoisers.split import split
from pdm_tf.denoisers.threshold import thresholded

__all__ = [
    "Denoiser",
    "NetworkDenoiser",
    "Prediction",
    "guided",
    "split",
    "thresholded",
]
