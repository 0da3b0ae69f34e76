"""Timesteps are drawn where losses are large (improved DDPM, arXiv 2102.09672, 3.3)."""

from collections.abc import Mapping

import tensorflow as tf

BINS, KEPT = 100, 10  # of u; of the losses of each bin
_EVEN = 1e-3  # share of draws that stay even, as in improved-diffusion


class LossHistory:
    """The last losses of each bin of u, and draws with chances as sqrt(E[loss²]).

    u even in [0, 1) says which level is trained; its bins are equal shares of the
    levels as they are drawn otherwise, timesteps or times. An entry is the mean square
    of the losses that one step has in a bin (improved-diffusion keeps single ones).
    Until every bin has as many as are kept, u stays even. The weight 1 / (bins·chance)
    leaves the expectation of the loss as it was.

    Args:
      bins: of u.
      kept: entries of each bin.
    """

    def __init__(self, bins: int = BINS, kept: int = KEPT) -> None:
        self.bins, self.kept = bins, kept
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        self.squares = tf.Variable(
            tf.zeros([bins, kept]), trainable=False, aggregation=first
        )
        self.counts = tf.Variable(
            tf.zeros([bins], tf.int32), trainable=False, aggregation=first
        )

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        """What a checkpoint keeps, by name."""
        return {"loss_squares": self.squares, "loss_counts": self.counts}

    def full(self) -> tf.Tensor:
        """Whether every bin has as many losses as are kept: bool []."""
        return tf.reduce_all(self.counts >= self.kept)

    def chances(self) -> tf.Tensor:
        """Of each bin, float32 [bins], with the sum 1."""
        roots = tf.sqrt(tf.reduce_mean(self.squares, axis=1))
        whole = tf.maximum(tf.reduce_sum(roots), 1e-30)
        uneven = (1.0 - _EVEN) * roots / whole + _EVEN / self.bins
        return tf.where(self.full(), uneven, tf.fill([self.bins], 1.0 / self.bins))

    def drawn(self, u: tf.Tensor) -> tf.Tensor:
        """u, even in [0, 1), moved so that bins have their chances, float32 [B]."""
        ends = tf.cumsum(self.chances())
        ends = ends / ends[-1]
        found = tf.searchsorted(ends, u, side="right")
        found = tf.minimum(found, self.bins - 1)
        start = tf.gather(tf.concat([[0.0], ends[:-1]], 0), found)
        within = (u - start) / (tf.gather(ends, found) - start)
        within = tf.clip_by_value(within, 0.0, 1.0 - 2.0**-10)
        moved = (tf.cast(found, tf.float32) + within) / self.bins
        return tf.where(self.full(), moved, u)

    def weights(self, u: tf.Tensor) -> tf.Tensor:
        """Importance weights of examples whose u was moved, float32 [B]."""
        found = 1.0 / (self.bins * tf.gather(self.chances(), self.bin_of(u)))
        return tf.where(self.full(), found, 1.0)

    def bin_of(self, u: tf.Tensor) -> tf.Tensor:
        """int32 [B]."""
        return tf.minimum(tf.cast(u * self.bins, tf.int32), self.bins - 1)

    def seen(self, u: tf.Tensor, losses: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Sums of squared losses and their numbers by bin, float32 [bins] each.

        Args:
          u: moved ones, float32 [B].
          losses: without weights, float32 [B]; those that are not finite do not count.
        """
        finite = tf.math.is_finite(losses)
        squares = tf.where(finite, losses, 0.0) ** 2
        member = tf.one_hot(self.bin_of(u), self.bins)
        return (
            tf.linalg.matvec(member, squares, transpose_a=True),
            tf.linalg.matvec(member, tf.cast(finite, tf.float32), transpose_a=True),
        )

    def note(self, sums: tf.Tensor, numbers: tf.Tensor) -> None:
        """Takes in what one step has seen, over all replicas, see `seen`."""
        entry = tf.math.divide_no_nan(sums, numbers)
        hit = numbers > 0
        moved = tf.concat([self.squares[:, 1:], entry[:, None]], axis=1)
        self.squares.assign(tf.where(hit[:, None], moved, self.squares))
        counts = self.counts + tf.cast(hit, tf.int32)
        self.counts.assign(tf.minimum(counts, self.kept))
