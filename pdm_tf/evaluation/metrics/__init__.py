"""Metrics: functions of arrays -> numbers, which commands and experiments call.

Pictures are uint8 [N, H, W, C], or floats in [-1, 1] where that is said. Nothing here
reads a file, a flag or a model.
"""

from pdm_tf.evaluation.metrics.accuracy import accuracy
from pdm_tf.evaluation.metrics.detection import auroc
from pdm_tf.evaluation.metrics.distortion import psnr, sqnr, ssim
from pdm_tf.evaluation.metrics.frechet import frechet, frechet_distance, gaussian_of
from pdm_tf.evaluation.metrics.inception_score import inception_score
from pdm_tf.evaluation.metrics.kernel import kernel_distance, kid
from pdm_tf.evaluation.metrics.manifold import precision_recall
from pdm_tf.evaluation.metrics.moments import FeatureGaussian, FeatureMoments
from pdm_tf.evaluation.metrics.seams import seam_energy

__all__ = [
    "FeatureGaussian",
    "FeatureMoments",
    "accuracy",
    "auroc",
    "frechet",
    "frechet_distance",
    "gaussian_of",
    "inception_score",
    "kernel_distance",
    "kid",
    "precision_recall",
    "psnr",
    "seam_energy",
    "sqnr",
    "ssim",
]
