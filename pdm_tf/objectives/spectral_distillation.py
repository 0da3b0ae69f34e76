"""A small network learns to denoise, and its teacher's frequencies (2211.17106).

What a small network does not learn by itself are high frequencies, of which pictures
have little. So errors to the teacher are weighted by the inverse of the clean picture's
own spectrum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.objective import Loss
from pdm_tf.diffusion import NoiseLevel
from pdm_tf.diffusion.gaussian import noised
from pdm_tf.diffusion.losses import simple_loss, vlb_loss
from pdm_tf.objectives.draws import Draws, draw, kept_labels
from pdm_tf.objectives.feature_distillation import features_of

_FLOOR = 1e-2  # of a spectrum's maximum: where a picture has nothing, 1 / it explodes


@dataclass(frozen=True, eq=False)
class SpectralDistillation:
    """L_simple and L_vlb of the student, and its distance to the teacher at all scales.

    The terms are simple and vlb, as in `DenoisingObjective`; spatial, the mean square
    of the difference to the teacher, summed over the estimate and over the last block
    of each grid on the way down and up; and frequency, the same of Fourier transforms,
    weighted. Features are compared through a learned 1×1 convolution, as shares of the
    teacher's mean square.

    Attributes:
      teacher: denoiser, not conditioned yet.
      student: what learns, of as many blocks, not conditioned yet.
      variables: those that learn, aligners among them, by their names in a checkpoint.
      aligners: a kernel [student's channels, teacher's] of each scale.
      spatial: factor of that term.
      frequency: factor of that term; where both are 0 the teacher is not evaluated.
      power: p of the weights |F(x)|^p, whose mean is 1.
      weighting: name of gamma_t, see `diffusion.losses.weight`.
      label_dropout: share of labels that are replaced by the null label.
      t_range: first and last timestep trained, both included.
    """

    teacher: Denoiser
    student: Denoiser
    variables: Mapping[str, tf.Variable]
    aligners: Sequence[tf.Variable]
    spatial: float
    frequency: float
    power: float
    weighting: str
    label_dropout: float
    t_range: tuple[int, int]
    terms: ClassVar = ("simple", "vlb", "spatial", "frequency")
    buckets: ClassVar = 4  # quartiles of the timesteps

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> Draws:
        """Noise, timesteps and dropped labels of a batch, see `draws.draw`."""
        return draw(seed, step, batch_size)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: Draws) -> Loss:
        """Losses of pictures x [B, H, W, C] in [-1, 1] with labels int32 [B]."""
        schedule = self.student.schedule
        level = schedule.spread(draws.u, *self.t_range)
        z = noised(x, seeds.normal(draws.keys, tuple(x.shape[1:])), level.per_pixel())
        labels = kept_labels(self.student, labels, draws.drop, self.label_dropout)
        (denoised, variance), own = features_of(self.student, z, level, labels)
        scale = schedule.noise_scale
        simple = simple_loss(x, denoised, level, self.weighting, scale)
        vlb = tf.zeros_like(simple)
        if self.student.learns_variance:
            fixed = tf.stop_gradient(denoised)
            vlb = vlb_loss(schedule, z, x, fixed, variance, level)
        spatial = frequency = tf.zeros_like(simple)
        if self.spatial or self.frequency:
            spatial, frequency = self._far(x, z, labels, level, denoised, own)
        total = simple + vlb + self.spatial * spatial + self.frequency * frequency
        terms = dict(zip(self.terms, (simple, vlb, spatial, frequency), strict=True))
        return Loss(total, terms, level.t * self.buckets // schedule.timesteps)

    def _far(
        self,
        x: tf.Tensor,
        z: tf.Tensor,
        labels: tf.Tensor,
        level: NoiseLevel,
        denoised: tf.Tensor,
        own: Sequence[tf.Tensor],
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Distances to the teacher, [B] each, without and with weights."""
        taught, wanted = features_of(self.teacher, z, level, labels)
        errors = [denoised - tf.stop_gradient(taught.x)]
        pairs = zip(at_scales(own), at_scales(wanted), self.aligners, strict=True)
        for mine, given, aligner in pairs:
            given = tf.stop_gradient(tf.cast(given, tf.float32))
            mine = tf.tensordot(tf.cast(mine, tf.float32), aligner, 1)
            share = tf.reduce_mean(tf.square(given), axis=[1, 2, 3], keepdims=True)
            errors.append((mine - given) * tf.math.rsqrt(share + 1e-6))
        spatial = [tf.reduce_mean(tf.square(e), axis=[1, 2, 3]) for e in errors]
        frequency = [
            weighted_frequencies(e, frequency_weights(x, e.shape[1:3], self.power))
            for e in errors
        ]
        return tf.add_n(spatial), tf.add_n(frequency)


def at_scales(features: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The last of each run of features [B, h, w, C] with the same grid."""
    sizes = [feature.shape[1:3] for feature in features]
    last = [i for i in range(len(sizes)) if sizes[i : i + 1] != sizes[i + 1 : i + 2]]
    return [features[i] for i in last]


def weighted_frequencies(error: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Mean of weights · |F(error)|² with the orthonormal F: [B].

    With weights of 1 it is the mean square of the error (Parseval).

    Args:
      error: float32 [B, h, w, C].
      weights: float32 [B, h, w].
    """
    power = power_of(error)
    return tf.reduce_mean(weights[:, None] * power, axis=[1, 2, 3])


def frequency_weights(x: tf.Tensor, size: Sequence[int], power: float) -> tf.Tensor:
    """|F(x)|^p of pictures [B, H, W, C] made as small as a grid, mean 1: [B, h, w].

    The spectrum is the mean over channels, and no less than a hundredth of its largest.
    """
    cells = [x.shape[1] // size[0], x.shape[2] // size[1]]
    small = tf.nn.avg_pool2d(x, cells, cells, "VALID")
    spectrum = tf.sqrt(tf.reduce_mean(power_of(small), axis=1))
    largest = tf.reduce_max(spectrum, axis=[1, 2], keepdims=True)
    found = tf.maximum(spectrum, _FLOOR * largest + 1e-12) ** power
    return tf.stop_gradient(found / tf.reduce_mean(found, axis=[1, 2], keepdims=True))


def power_of(x: tf.Tensor) -> tf.Tensor:
    """|F(x)|² of x [B, h, w, C], F orthonormal: [B, C, h, w]."""
    height, width = x.shape[1:3]
    turned = tf.transpose(x, [0, 3, 1, 2])
    found = tf.signal.fft2d(tf.complex(turned, tf.zeros_like(turned)))
    # Not |F|², whose gradient at 0 is none.
    square = tf.square(tf.math.real(found)) + tf.square(tf.math.imag(found))
    return square / (height * width)
