"""Phase retrieval: a detector sees how strong each wave is, and not its phase."""

import numpy as np
import tensorflow as tf

from pdm_tf.inverse.operators.fourier import spectrum_of, wide
from pdm_tf.inverse.operators.operator import Nonlinear

_ITERATIONS, _LAST = 300, 60  # of the pseudo-inverse; the last ones reduce errors only
_STARTS = 8
_FEEDBACK = 0.9


class Phase(Nonlinear):
    """Strengths of the Fourier transform of pictures with an empty surround.

    [N, C, 2H, 2W]. A picture is taken as light, (x + 1) / 2. Turned by 180 degrees it
    gives the same measurement, and so it does shifted, as far as it is black there.

    The pseudo-inverse is Fienup's hybrid input-output method (1982) from several
    starts, of which the one that fits best is taken; H H⁺ H = H holds as well as that
    finds a solution.
    """

    def __init__(self, shape: tuple[int, ...], seed: int) -> None:
        height, width, channels = shape
        super().__init__(shape, (channels, 2 * height, 2 * width))
        self._scale = float(np.sqrt(4 * height * width))
        self._seed = seed

    def forward(self, x: tf.Tensor) -> tf.Tensor:
        light = tf.pad(0.5 * (x + 1.0), _around(self.shape))
        spectrum = spectrum_of(light) / self._scale
        # Not tf.abs, whose derivative at 0 is not finite.
        squared = tf.square(tf.math.real(spectrum)) + tf.square(tf.math.imag(spectrum))
        return tf.sqrt(squared + 1e-20)

    def pinv(self, y: tf.Tensor, ridge: tf.Tensor | float = 0.0) -> tf.Tensor:
        rng = np.random.default_rng(self._seed)
        best = error = None
        for _ in range(_STARTS):
            angles = rng.uniform(-np.pi, np.pi, self.measured)
            x = self._from(y, tf.constant(angles, y.dtype))
            missed = tf.reduce_sum(tf.square(self.forward(x) - y), axis=[1, 2, 3])
            if best is None:
                best, error = x, missed
            better = (missed < error)[:, None, None, None]
            best, error = tf.where(better, x, best), tf.minimum(missed, error)
        return best

    def _from(self, y: tf.Tensor, angles: tf.Tensor) -> tf.Tensor:
        """Pictures, from a first guess of the phases."""
        light = self._with_strengths(
            y, tf.exp(tf.complex(tf.zeros_like(angles), angles))
        )
        inside = tf.pad(tf.ones([1, *self.shape], tf.bool), _around(self.shape))

        def step(i: tf.Tensor, light: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            made = self._with_strengths(y, spectrum_of(light))
            fits = inside & (made >= 0.0) & (made <= 1.0)
            feedback = tf.where(i < _ITERATIONS - _LAST, light - _FEEDBACK * made, 0.0)
            return i + 1, tf.where(fits, made, feedback)

        start = (tf.constant(0), light)
        _, light = tf.while_loop(lambda i, _: i < _ITERATIONS, step, start)
        height, width, _ = self.shape
        return 2.0 * tf.clip_by_value(light[:, :height, :width], 0.0, 1.0) - 1.0

    def _with_strengths(self, y: tf.Tensor, spectrum: tf.Tensor) -> tf.Tensor:
        """Light [N, 2H, 2W, C] with the phases of a spectrum and the strengths y."""
        size = tf.cast(tf.maximum(tf.abs(spectrum), 1e-12), wide(y.dtype))
        strengths = tf.cast(y * self._scale, wide(y.dtype))
        light = tf.math.real(tf.signal.ifft2d(strengths * spectrum / size))
        return tf.transpose(light, [0, 2, 3, 1])


def _around(shape: tuple[int, ...]) -> list[list[int]]:
    return [[0, 0], [0, shape[0]], [0, shape[1]], [0, 0]]
