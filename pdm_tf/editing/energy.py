"""Guidance by an energy of the estimate, which any model can be given (2210.05559)."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import tensorflow as tf

from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers.denoiser import Carry, Denoiser, Prediction, Wrapper
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.denoisers.label_guidance import LabelGuided
from pdm_tf.denoisers.threshold import thresholded
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.inverse.problem import check_gradient, pulled_back

Slope = Callable[[tf.Tensor], tf.Tensor]
INSTEAD = "labels without energy"


class EnergyGuided(Wrapper):
    """x - s·(1 - alpha) / sqrt(alpha) · d E(x(z)) / dz, x(z) the estimate for z.

    For normal pictures and a linear energy that is the exact estimate under
    p(x)·exp(-s·E(x)). The derivative passes the denoiser, which TensorFlow must be
    able to differentiate.

    Args:
      denoise: the inner denoiser, its estimates not clipped.
      slope: dE / dx at estimates [B, H, W, C], each of its own picture.
      strength: s; 0 leaves the estimate as it is.
    """

    def __init__(self, denoise: Denoiser, slope: Slope, strength: float) -> None:
        super().__init__(denoise)
        self.slope, self.strength = slope, strength

    def predict(
        self, z: tf.Tensor, level: NoiseLevel, carry: Carry
    ) -> tuple[Prediction, Carry]:
        if not self.strength:
            return self.denoise.predict(z, level, carry)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            prediction, carry = self.denoise.predict(z, level, carry)
        x, wide = prediction.x, level.per_pixel()
        by = self.strength * (1.0 - wide.alpha) / wide.signal
        x -= by * pulled_back(tape, x, z, self.slope(x))
        return prediction._replace(x=x), carry


def class_energy(classifier: LabelGuided, labels: tf.Tensor) -> Slope:
    """The slope of E(x) = -log p(label | x), by a classifier of noisy pictures.

    Args:
      classifier: a denoiser that has one; it reads x as of the least noisy level.
      labels: classes, int32 [B].
    """
    clean = classifier.schedule.level(0)
    labels = tf.convert_to_tensor(labels, tf.int32)
    return lambda x: -classifier.slope(x, clean, labels)


def led(
    denoise: Denoiser,
    classifier: LabelGuided,
    labels: np.ndarray,
    strength: float,
    sampling: SamplingConfig,
) -> Denoiser:
    """A model, conditioned on no class, led to classes by the energy of a classifier.

    Args:
      denoise: the model.
      classifier: see `class_energy`.
      labels: classes, int32 [B].
      strength: of the energy.
      sampling: how the model samples; where it clips estimates, those that are led are.

    Raises:
      InputError: a model that TensorFlow cannot differentiate.
    """
    none = np.full(len(labels), denoise.num_classes, np.int32)
    unclipped = replace(sampling, thresholding="none")
    plain = for_sampling(denoise, none, 1.0, unclipped)
    check_gradient(for_sampling(denoise, none[:1], 1.0, unclipped), "energy", INSTEAD)
    made = EnergyGuided(plain, class_energy(classifier, labels), strength)
    return thresholded(made) if sampling.thresholding == "static" else made
