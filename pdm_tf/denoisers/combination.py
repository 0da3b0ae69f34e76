"""Two estimates -> the one that guidance makes of them."""

from typing import NamedTuple

import tensorflow as tf

from pdm_tf.config.guiding import GuidingConfig

Kept = tuple[tf.Tensor, ...]  # what is carried to the next step: nothing, or one
_PIXELS = [1, 2, 3]


class Combination(NamedTuple):
    """w·conditional - (w - 1)·other, and what tames it at large w.

    Adaptive projected guidance (APG, arXiv 2410.02416, algorithm 1) adds a share of the
    difference of the step before, bounds its norm, and takes less of its part along the
    conditional estimate. Rescaling (arXiv 2305.08891, section 3.4) gives the result the
    conditional one's standard deviation over pixels, here that of x.

    Attributes:
      rescale: phi, share of the rescaled result.
      parallel: eta, share of the part along the conditional estimate.
      norm: r, largest norm of the difference; 0: no bound.
      momentum: beta, share of the difference before.
    """

    rescale: float = 0.0
    parallel: float = 1.0
    norm: float = 0.0
    momentum: float = 0.0

    @classmethod
    def of(cls, config: GuidingConfig) -> "Combination":
        """The combination that settings describe."""
        return cls(
            config.guidance_rescale,
            config.guidance_parallel,
            config.guidance_norm,
            config.guidance_momentum,
        )

    def init(self, z: tf.Tensor) -> Kept:
        """What is carried into the first step of a trajectory from z."""
        return (tf.zeros_like(z),) if self.momentum else ()

    def __call__(
        self,
        conditional: tf.Tensor,
        other: tf.Tensor,
        weight: float | tf.Tensor,
        kept: Kept,
    ) -> tuple[tf.Tensor, Kept]:
        """The guided estimate of two, float32 [B, H, W, C], and what is carried on."""
        if (self.parallel, self.norm, self.momentum) == (1.0, 0.0, 0.0):
            x = weight * conditional - (weight - 1.0) * other
        else:
            difference = conditional - other
            if self.momentum:
                difference += self.momentum * kept[0]
                kept = (difference,)
            change = self._projected(self._bounded(difference), conditional)
            x = conditional + (weight - 1.0) * change
        return self._rescaled(x, conditional), kept

    def _bounded(self, difference: tf.Tensor) -> tf.Tensor:
        if not self.norm:
            return difference
        square = _sum(tf.square(difference))
        return difference * tf.minimum(1.0, self.norm * tf.math.rsqrt(square + 1e-12))

    def _projected(self, difference: tf.Tensor, along: tf.Tensor) -> tf.Tensor:
        share = _sum(difference * along) / (_sum(tf.square(along)) + 1e-12)
        return difference - (1.0 - self.parallel) * share * along

    def _rescaled(self, x: tf.Tensor, conditional: tf.Tensor) -> tf.Tensor:
        if not self.rescale:
            return x
        ratio = _deviation(conditional) / (_deviation(x) + 1e-12)
        return x * (self.rescale * ratio + 1.0 - self.rescale)


def _sum(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(x, axis=_PIXELS, keepdims=True)


def _deviation(x: tf.Tensor) -> tf.Tensor:
    return tf.math.reduce_std(x, axis=_PIXELS, keepdims=True)


LINEAR = Combination()
