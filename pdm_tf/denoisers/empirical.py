"""The exact optimal denoiser of a data set (equation 4, Appendix A)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.denoisers.denoiser import Denoiser, Prediction
from pdm_tf.diffusion import NoiseLevel, NoiseSchedule, gaussian
from pdm_tf.diffusion.losses import reverse_variance

_CLEANEST = 60.0  # log SNR; beyond, only the nearest picture has any weight


class Moments(NamedTuple):
    """Weighted sums over the pictures seen so far; weights are scaled by exp(-top)."""

    top: tf.Tensor  # float64 [B, 1]: the largest log weight
    mass: tf.Tensor  # float64 [B, 1]: sum of the weights
    first: tf.Tensor  # float64 [B, H·W·C]: sum of weight·x
    second: tf.Tensor  # float64 [B, H·W·C]: sum of weight·x²


class EmpiricalDenoiser(Denoiser):
    """x* = Σ q(z | x)·x / Σ q(z | x) over the pictures x of a data set (equation 4).

    The mean of q(x | z) minimises every weighting of equation 3. The variance is the
    best of independent pixels for one timestep down, beta-tilde + c²·Var(x | z) with
    c the posterior mean's factor of x (arXiv 2201.06503), within the bounds of
    `Prediction`. Works in float64, since log weights reach 1e7 at t = 0 and count by
    their differences.
    """

    def __init__(
        self,
        pictures: np.ndarray,
        schedule: NoiseSchedule,
        labels: Sequence[int] | np.ndarray | None = None,
        num_classes: int = 0,
        chunk_size: int = 1024,
        decoded: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    ) -> None:
        """Takes a data set.

        Args:
          pictures: [N, H, W, C], float in [-1, 1] or what `decoded` makes that of.
          schedule: the schedule whose timesteps it understands.
          labels: classes of the pictures, int [N], 0 … num_classes - 1.
          num_classes: 0 for none, whatever the labels are.
          chunk_size: pictures held in float64 at once; changes no estimate.
          decoded: stored pictures -> x; with `data.images.to_float` 60,000 pictures
            stay bytes.

        Raises:
          InputError: no pictures, or a class without any.
        """
        if np.ndim(pictures) != 4 or not len(pictures) or chunk_size < 1:
            raise InputError(
                f"empirical denoiser: pictures of shape {np.shape(pictures)} in chunks "
                f"of {chunk_size}; give one at least, [N, H, W, C], and a chunk of 1"
            )
        self.image_shape = tuple(pictures.shape[1:])
        self.num_classes, self.schedule = num_classes, schedule
        self.labels: tf.Tensor | None = None
        self._count = len(pictures)
        self._chunk_size = min(chunk_size, self._count)
        self._decoded = decoded
        self._classes = tf.constant(_checked(labels, num_classes, self._count))
        self._pictures = tf.constant(pictures)

    def conditioned(self, labels: tf.Tensor | None = None) -> Self:
        if not self.num_classes:
            super().conditioned(labels)
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)  # the pictures are shared
        made.labels = None if labels is None else tf.convert_to_tensor(labels, tf.int32)
        return made

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        seen = self._summed(z, level)
        mean = seen.first / seen.mass
        spread = tf.maximum(seen.second / seen.mass - tf.square(mean), 0.0)
        x, spread = (
            tf.cast(tf.reshape(flat, [-1, *self.image_shape]), tf.float32)
            for flat in (mean, spread)
        )
        return Prediction(x, self._share(spread, level))

    def _summed(self, z: tf.Tensor, level: NoiseLevel) -> Moments:
        """Sums over the data set, chunk by chunk."""
        flat = tf.reshape(tf.cast(z, tf.float64), [-1, int(np.prod(self.image_shape))])
        log_snr = tf.cast(tf.reshape(level.log_snr, [-1, 1]), tf.float64)
        log_snr = tf.minimum(log_snr, _CLEANEST)
        query = flat * tf.sqrt(tf.sigmoid(log_snr)) / tf.sigmoid(-log_snr)
        column = tf.zeros_like(flat[:, :1])
        lowest = column + column.dtype.min  # finite, so that no class is inf - inf
        start = Moments(lowest, column, tf.zeros_like(flat), tf.zeros_like(flat))
        _, seen = tf.while_loop(
            lambda i, _: i < self._count,
            lambda i, seen: (
                i + self._chunk_size,
                _joined(seen, *self._weighed(i, query, tf.exp(log_snr))),
            ),
            (tf.constant(0), start),
            parallel_iterations=1,  # one chunk in memory
        )
        return seen

    def _weighed(
        self, i: tf.Tensor, query: tf.Tensor, snr: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The chunk of picture i: x float64 [n, D] and its log weights [B, n].

        log q(z | x) without what all x share: (s·z·x - s²·|x|²/2) / (1 - alpha).
        """
        # The last chunk reaches back, so that all have one size; -inf marks pictures
        # that were counted before.
        size = self._chunk_size
        first = tf.minimum(i, self._count - size)
        chunk = tf.slice(self._pictures, [first, 0, 0, 0], [size, *self.image_shape])
        x = tf.reshape(tf.cast(self._decoded(chunk), tf.float64), [size, -1])
        norms = tf.reduce_sum(tf.square(x), axis=1)
        scores = tf.matmul(query, x, transpose_b=True) - 0.5 * snr * norms
        counted = (tf.range(size) + first >= i)[None]
        if self.labels is not None:
            classes = tf.slice(self._classes, [first], [size])
            wanted = self.labels[:, None]
            counted &= (wanted == classes) | (wanted == self.num_classes)
        return x, tf.where(counted, scores, -np.inf)

    def _share(self, spread: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
        """Where between beta (0) and beta-tilde (1) the best variance lies."""
        wide, lower = level.per_pixel(), self.schedule.previous(level).per_pixel()
        c = gaussian.posterior_mean(tf.zeros([]), tf.ones([]), wide, lower)
        log_tilde = reverse_variance(self.schedule, level).log_beta_tilde
        more = tf.square(c) * spread * tf.exp(-tf.reshape(log_tilde, [-1, 1, 1, 1]))
        # Where there is hardly any signal both bounds are one number in float32, so
        # that what lies between them comes from the table.
        between = np.log(self.schedule.betas) - self.schedule.log_beta_tilde
        between = tf.gather(tf.constant(between, tf.float32), level.t)
        none = tf.cast(level.t == 0, tf.float32)  # beta-tilde itself is 0 there
        none, between = (tf.reshape(v, [-1, 1, 1, 1]) for v in (none, between))
        return tf.clip_by_value(1.0 - tf.math.log1p(more - none) / between, 0.0, 1.0)


def _joined(seen: Moments, x: tf.Tensor, scores: tf.Tensor) -> Moments:
    """Counts a chunk x [n, D] with log weights [B, n] in; nothing can overflow."""
    top = tf.maximum(seen.top, tf.reduce_max(scores, axis=1, keepdims=True))
    kept, weights = tf.exp(seen.top - top), tf.exp(scores - top)
    return Moments(
        top,
        seen.mass * kept + tf.reduce_sum(weights, axis=1, keepdims=True),
        seen.first * kept + tf.matmul(weights, x),
        seen.second * kept + tf.matmul(weights, tf.square(x)),
    )


def _checked(
    labels: Sequence[int] | np.ndarray | None, num_classes: int, count: int
) -> np.ndarray:
    """Labels as int32 [N]; zeros where there are no classes."""
    if not num_classes:
        return np.zeros(count, np.int32)
    found = np.asarray([] if labels is None else labels, np.int32)
    empty = sorted(set(range(num_classes)) ^ set(found.tolist()))
    if found.shape != (count,) or empty:
        raise InputError(
            f"empirical denoiser: {found.size} labels for {count} pictures, and "
            f"{num_classes} classes of which {empty[:5]} do not match; give each class "
            "a picture and each picture a class"
        )
    return found
