"""Pictures of few steps whose features are distributed as those of the data (MMD).

The maximum mean discrepancy of two sets of features (Gretton et al., JMLR 2012) is
minimised through the whole unrolled sampler (arXiv 2301.07969).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.config import SamplingConfig
from pdm_tf.denoisers.denoiser import Denoiser, Prediction
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.denoisers.objective import Loss
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.objectives.draws import drop_labels
from pdm_tf.samplers import Sampler

Kernel = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def cubic(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """(x·y / d + 1)³ of features [m, d] and [n, d]: [m, n]."""
    return (tf.matmul(x, y, transpose_b=True) / float(x.shape[1]) + 1.0) ** 3


def gaussian(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """exp(-|x - y|² / d) of features [m, d] and [n, d]: [m, n]."""
    far = tf.reduce_sum(x * x, 1)[:, None] + tf.reduce_sum(y * y, 1)[None]
    far -= 2.0 * tf.matmul(x, y, transpose_b=True)
    return tf.exp(-far / float(x.shape[1]))


KERNELS: dict[str, Kernel] = {"cubic": cubic, "gaussian": gaussian}


def self_similarity(y: tf.Tensor | np.ndarray, kernel: Kernel) -> tf.Tensor:
    """The mean of k(y_i, y_j) over all i ≠ j of features [n, d], float64 []."""
    y = tf.cast(y, tf.float64)
    count, similar = tf.cast(tf.shape(y)[0], tf.float64), kernel(y, y)
    whole = tf.reduce_sum(similar) - tf.linalg.trace(similar)
    return whole / (count * (count - 1.0))


def discrepancies(
    x: tf.Tensor, y: tf.Tensor, kernel: Kernel, of_y: tf.Tensor | float | None = None
) -> tf.Tensor:
    """Parts, one of each x, whose mean is the unbiased estimate of MMD².

    sum_{i≠j} k(x_i, x_j) / (m (m - 1)) + sum_{i≠j} k(y_i, y_j) / (n (n - 1))
    - 2 sum_ij k(x_i, y_j) / (m n), which may be negative. Sums are float64: they are of
    cubes that nearly cancel.

    Args:
      x: features [m, d], m at least 2.
      y: features [n, d], n at least 2.
      kernel: k.
      of_y: the second term where it is known, see `self_similarity`.

    Returns:
      float64 [m].
    """
    x, y = tf.cast(x, tf.float64), tf.cast(y, tf.float64)
    own = kernel(x, x)
    others = tf.cast(tf.shape(x)[0] - 1, tf.float64)
    within = (tf.reduce_sum(own, 1) - tf.linalg.diag_part(own)) / others
    if of_y is None:
        of_y = self_similarity(y, kernel)
    return within + of_y - 2.0 * tf.reduce_mean(kernel(x, y), 1)


class Reference(NamedTuple):
    """Real pictures as the generated ones are compared with them."""

    features: np.ndarray  # float32 [n, d]
    labels: np.ndarray  # int32 [n]; the null label where none is to be known
    similarity: float  # `self_similarity` of the features, labels among them


class Noises(NamedTuple):
    """The random numbers of a batch, one row an example."""

    keys: tf.Tensor  # int32 [B, S, 2], of the noise of the start and of each step
    drop: tf.Tensor  # float32 [B] in [0, 1): whether the label is dropped


@dataclass(frozen=True, eq=False)
class MeanDiscrepancy:
    """MMD² between the features of sampled pictures and those of the data.

    All steps of the sampler are unrolled, and gradients go through all of them. What is
    compared are features and labels together: a label is a feature more, so that
    pictures must be of the class that was asked for. The only term is mmd; a picture's
    part of it depends on the others of its batch, whose mean it is.

    Attributes:
      student: what samples, unconditional.
      variables: those that learn, by the names that a checkpoint keeps them under.
      sampler: steps as it does when pictures are drawn.
      grid: the levels that it visits.
      features: pictures float32 [B, H, W, C] in [-1, 1] -> [B, d], differentiable.
      reference: what they shall be distributed as.
      kernel: name of k, see `KERNELS`.
      label_weight: what x·y / d gains where labels are the same.
      sampling: of the run: thresholding, percentile.
      label_dropout: share of labels that are replaced by the null label.
      recompute: keep of each step but its input, and compute it again for gradients.
    """

    student: Denoiser
    variables: Mapping[str, tf.Variable]
    sampler: Sampler
    grid: Grid
    features: Callable[[tf.Tensor], tf.Tensor]
    reference: Reference
    kernel: str
    label_weight: float
    sampling: SamplingConfig
    label_dropout: float
    recompute: bool = False
    terms: ClassVar = ("mmd",)
    buckets: ClassVar = 1

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> Noises:
        """Noise of all steps, and dropped labels."""
        steps = range(int(self.grid.size))
        keys = [seeds.step_keys(seed, step, 1 + i, batch_size) for i in steps]
        drop = seeds.uniform(seeds.step_keys(seed, step, 0, batch_size))
        return Noises(tf.stack(keys, 1), drop)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: Noises) -> Loss:
        """Losses of pictures drawn for labels int32 [B]; of x the size counts alone."""
        null = self.student.num_classes
        if null:
            labels = drop_labels(labels, draws.drop, self.label_dropout, null)
        drawn = self.sampled(labels, draws.keys)
        found = labelled(self.features(drawn), labels, null, self.label_weight)
        real = self.reference
        wanted = labelled(real.features, real.labels, null, self.label_weight)
        kernel = KERNELS[self.kernel]
        parts = discrepancies(found, wanted, kernel, real.similarity)
        mmd = tf.cast(parts, tf.float32)
        return Loss(mmd, {"mmd": mmd}, tf.zeros_like(labels))

    def sampled(self, labels: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        """Pictures [B, H, W, C] in [-1, 1] of labels int32 [B] and keys [B, S, 2]."""
        weight = self.student.distilled_guidance or 1.0
        denoise = for_sampling(self.student, labels, weight, self.sampling)
        shape, steps = self.student.image_shape, int(self.grid.size)

        def evaluate(z: tf.Tensor, level: NoiseLevel) -> Prediction:
            if not self.recompute:
                return denoise(z, level)
            again = tf.recompute_grad(lambda z: tuple(denoise(z, level)))
            return Prediction(*again(z))

        z = seeds.normal(keys[:, 0], shape)
        state = self.sampler.init(z)
        for i in range(steps - 1):
            eps = seeds.normal(keys[:, i + 1], shape)
            levels = self.grid.level(i), self.grid.level(i + 1)
            z, state = self.sampler.step(evaluate, z, *levels, state, eps)
        return tf.clip_by_value(evaluate(z, self.grid.level(steps - 1)).x, -1.0, 1.0)


def labelled(
    features: tf.Tensor | np.ndarray,
    labels: tf.Tensor | np.ndarray,
    classes: int,
    weight: float,
) -> tf.Tensor:
    """Features [N, d], and a label as a feature of each class: [N, d + classes].

    x·y / d grows by the weight where labels are the same, d being the new number; the
    null label, `classes`, is like no other.
    """
    features = tf.convert_to_tensor(features, tf.float32)
    if not classes or not weight:
        return features
    length = (weight * (features.shape[1] + classes)) ** 0.5
    own = tf.one_hot(labels, classes, on_value=length, dtype=tf.float32)
    return tf.concat([features, own], 1)
