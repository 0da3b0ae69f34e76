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
from pdm_tf.inverse.circuits.circuit import fit_at, marginals_at
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
_RANGE, _HALVINGS = 30.0, 12  # of logarithms in which the last of them is looked for


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
        mask = problem.operator.hidden.astype(np.float32)[None, :, :, None]
        mask = tf.broadcast_to(mask, (1, *denoise.image_shape))
        hidden = np.asarray(rows_of(mask, learnt.codebook.patch))
        share = hidden.mean(-1, keepdims=True)  # [1, n, 1]
        self._at = np.flatnonzero(share[0, :, 0])  # patches of which a part is hidden
        self._share = share[:, self._at]
        weights = 1.0 / (_SEEN + (config.temperature - _SEEN) * hidden)
        self._weights = weights[:, self._at]
        # Patches that are seen are the same evidence at all levels.
        seen = np.flatnonzero(share[0, :, 0] == 0)
        y = problem.operator.adjoint(tf.convert_to_tensor(problem.y))
        q = self._evidence(self._rows(y, seen), weights[:, seen])
        self._fit = fit_at(learnt.circuit, tf.exp(q), seen)
        # Where the patches stand among those that are seen, and then the others.
        self._place = np.argsort(np.concatenate([seen, self._at]))

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
        """The mean of the product where pixels are hidden and the share is below 1."""
        share = share if share.shape.rank == 0 else share[:, None, None]
        book, fitted = self.learnt.codebook, self.problem.operator.fitted
        rows = self._rows(fitted(x, self.problem.y), self._at)
        found = book.moments(self.codes(rows))
        open_ = tf.square(level.noise)  # how much of x is, about
        open_ = open_ if open_.shape.rank == 0 else open_[:, None, None]
        mixed = product(
            Moments(rows, open_ + _FLOOR),
            Moments(found.mean, found.variance + _FLOOR),
            share,
        ).mean
        count = len(self._place) - len(self._at)
        whole = tf.pad(mixed, [[0, 0], [count, 0], [0, 0]])  # those seen come first
        whole = tf.gather(whole, self._place, axis=1)
        led = share < 1.0
        led = led if led.shape.rank == 0 else led[..., None]
        return tf.where(led & self._mask(), book.pictures(whole, self.image_shape), x)

    def codes(self, rows: tf.Tensor) -> tf.Tensor:
        """The law of codes [B, m, K] of the patches that are hidden in part or whole.

        Args:
          rows: these patches [B, m, P·P·C], of pictures that fit the measurement.
        """
        q = self._evidence(rows, self._weights)
        circuit, at = self.learnt.circuit, self._at
        fit = fit_at(circuit, tf.exp(q), at)
        seen = len(self._place) - len(at)
        known = tf.broadcast_to(
            self._fit, [seen, tf.shape(rows)[0], self._fit.shape[-1]]
        )
        fit = tf.gather(tf.concat([known, fit], 0), self._place[circuit.places])
        p = tf.math.log(marginals_at(circuit, tf.exp(q), at, fit) + 1e-30)
        mixed = self._share * p + (1.0 - self._share) * q
        return tf.nn.softmax(tf.where(mixed >= least_kept(mixed), mixed, -np.inf))

    def _evidence(self, rows: tf.Tensor, weights: np.ndarray) -> tf.Tensor:
        """log q of patches, [B, m, K]."""
        far = self.learnt.codebook.distances(rows, weights)
        return tf.nn.log_softmax(-far / rows.shape[-1])

    def _rows(self, x: tf.Tensor, at: np.ndarray) -> tf.Tensor:
        return tf.gather(rows_of(x, self.learnt.codebook.patch), at, axis=1)

    def _mask(self) -> np.ndarray:
        assert isinstance(self.problem.operator, Mask)
        return self.problem.operator.hidden[None, :, :, None]


def least_kept(values: tf.Tensor) -> tf.Tensor:
    """What the best _KEPT of values [..., K] are no less than: [..., 1].

    By halving an interval, several times as fast as a sort; those within a 4,000th of
    it may stay too.
    """
    high = tf.reduce_max(values, -1, keepdims=True)
    low = tf.maximum(tf.reduce_min(values, -1, keepdims=True), high - _RANGE)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        count = tf.reduce_sum(tf.cast(values >= middle, tf.float32), -1, keepdims=True)
        enough = count >= _KEPT
        low, high = tf.where(enough, middle, low), tf.where(enough, high, middle)
    return low


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
