"""Inpainting by tractable steering: a circuit says what may be hidden (2401.03349).

At the noisiest levels a diffusion model hardly knows what the seen pixels imply for the
hidden ones; a circuit over codes of patches knows it exactly, though of coarse
pictures. So there the model's estimate is mixed with the circuit's. Unlike the paper's:

- A code is a centre of k-means and not of a VQ-GAN, so that mean and variance of each
  pixel follow from the law of the codes; no codes are drawn.
- Of the product of both laws of a pixel the mean is taken, and the laws are normal ones
  that no bounds cut: as on 256 levels in the limit of fine ones. A sample would be the
  mean and noise, which the next levels take away.
- Temperatures are per pixel, not per patch, which differs in patches seen in part.
"""

import numpy as np
import tensorflow as tf

from pdm_tf.config.inverse import TiramisuConfig as Config
from pdm_tf.denoisers import Denoiser, Prediction
from pdm_tf.denoisers.denoiser import Wrapper
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.errors import InputError
from pdm_tf.inverse import repaint
from pdm_tf.inverse.circuits.circuit import marginals
from pdm_tf.inverse.circuits.codes import Moments, rows_of
from pdm_tf.inverse.circuits.files import LearntCircuit, read_circuit
from pdm_tf.inverse.operators.masks import Mask
from pdm_tf.inverse.problem import Problem
from pdm_tf.samplers.sampler import Seeds

PAPER = "arXiv 2401.03349"
NEEDS_GRADIENT = False
_SEEN = 0.01  # temperature of pixels that are seen
_FLOOR = 1e-3  # of variances in the product
_KEPT = 20  # codes of a patch that stay after the mixing


def product(first: Moments, second: Moments, share: tf.Tensor | float) -> Moments:
    """N(first)^m N(second)^(1 - m), normalised: precision m / v1 + (1 - m) / v2."""
    one, two = share / first.variance, (1.0 - share) / second.variance
    whole = one + two
    return Moments((one * first.mean + two * second.mean) / whole, 1.0 / whole)


class Steering(Wrapper):
    """Mixes the estimate at noisy levels with what a circuit says of hidden pixels.

    Args:
      denoise: the inner denoiser, conditioned or guided already.
      problem: of a mask.
      learnt: the circuit and its codes.
      config: how much, and where.
    """

    def __init__(
        self, denoise: Denoiser, problem: Problem, learnt: LearntCircuit, config: Config
    ) -> None:
        super().__init__(denoise)
        self.problem, self.learnt, self.config = problem, learnt, config
        assert isinstance(problem.operator, Mask)
        hidden = problem.operator.hidden.astype(np.float32)[None, :, :, None]
        self._hidden = np.broadcast_to(hidden, (1, *denoise.image_shape))
        rows = np.asarray(rows_of(tf.constant(self._hidden), learnt.codebook.patch))
        self._share_hidden = rows.mean(-1, keepdims=True)  # [1, n, 1]

    def share(self, level: NoiseLevel) -> tf.Tensor:
        """m, the model's share in the product, of a level: [] or [B]."""
        time = tf.cast(level.t, tf.float32) / self.schedule.timesteps
        least = self.config.share
        share = least + (1.0 - least) * tf.exp(-2.0 * time)
        return tf.where(time > self.config.since, share, 1.0)

    def changed(self, prediction: Prediction, level: NoiseLevel) -> Prediction:
        share = self.share(level)
        x = tf.cond(
            tf.reduce_any(share < 1.0),
            lambda: self._mixed(prediction.x, level, share),
            lambda: prediction.x,
        )
        return Prediction(x, prediction.variance)

    def _mixed(self, x: tf.Tensor, level: NoiseLevel, share: tf.Tensor) -> tf.Tensor:
        """The mean of the product; x itself where the model's share is 1."""
        share = share if share.shape.rank == 0 else share[:, None, None, None]
        law = self.codes(self.problem.operator.fitted(x, self.problem.y))
        found = self.learnt.codebook.moments(law, self.image_shape)
        found = Moments(found.mean, found.variance + _FLOOR)
        open_ = tf.square(level.per_pixel().noise)  # how much of x is, about
        mixed = product(Moments(x, open_ + _FLOOR), found, share).mean
        return tf.where(share < 1.0, mixed, x)

    def codes(self, x: tf.Tensor) -> tf.Tensor:
        """The law of codes [B, n, K] of pictures that fit the measurement."""
        book, hidden = self.learnt.codebook, self._share_hidden
        weights = 1.0 / (_SEEN + (self.config.temperature - _SEEN) * self._hidden)
        far = book.distances(x, weights) / book.centres.shape[1]
        q = tf.nn.log_softmax(-far)
        p = tf.math.log(marginals(self.learnt.circuit, tf.exp(q)) + 1e-30)
        mixed = hidden * p + (1.0 - hidden) * q
        kept = min(_KEPT, mixed.shape[-1])
        least = tf.math.top_k(mixed, kept).values[..., -1:]
        return tf.nn.softmax(tf.where(mixed >= least, mixed, -np.inf))


def solve(
    denoise: Denoiser, problem: Problem, grid: Grid, seeds: Seeds, config: Config
) -> tf.Tensor:
    """`repaint` of the denoiser that a circuit steers; see `red_diff`.

    Raises:
      InputError: an operator that is no mask, or a circuit of other pictures.
    """
    if not isinstance(problem.operator, Mask) or problem.operator.sigma:
        raise InputError(
            "tiramisu needs a mask without noise, such as `operator=box:0.5`; take "
            "red_diff or ddnm"
        )
    learnt = read_circuit(config.circuit, denoise.image_shape)
    steering = Steering(denoise, problem, learnt, config)
    return repaint.solve(steering, problem, grid, seeds, config)
