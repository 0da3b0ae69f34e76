"""What 6 bits make of attention's probabilities: a part of system 5's bar."""

import numpy as np
import tensorflow as tf

from experiments.cached_sampling import Bench
from pdm_tf.networks.transforms import LayerTransform, points_of
from pdm_tf.quantization.calibration import calibration_rows
from pdm_tf.quantization.cost import networks_of
from pdm_tf.quantization.log_softmax import log_rounded
from pdm_tf.quantization.observing import call_eagerly

BITS, IMAGES, STEPS = 6, 8, 10
LEAST = 1e-8  # added to probabilities, since a uniform grid makes some 0


class _Divergence(LayerTransform):
    """Adds up the divergences of both grids from what attention has."""

    def __init__(self) -> None:
        self.sums, self.rows = np.zeros(2), 0

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        largest = tf.reduce_max(x, axis=[-2, -1], keepdims=True)
        uniform = tf.quantization.fake_quant_with_min_max_vars(x, 0.0, 1.0, BITS)
        made = (log_rounded(x, largest, BITS), uniform)
        self.sums += [float(tf.reduce_sum(divergence(x, q))) for q in made]
        self.rows += int(np.prod(x.shape[:-1]))
        return x


def divergence(p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
    """KL of each row, q made to sum to 1."""
    p, q = p + LEAST, q + LEAST
    q = q / tf.reduce_sum(q, axis=-1, keepdims=True)
    return tf.reduce_sum(p * tf.math.log(p / q), axis=-1)


def measure_attention(bench: Bench) -> dict[str, float]:
    """Mean divergence of a logarithmic and of a uniform grid, over all rows."""
    sampling = bench.settings.sampling
    (rows,) = calibration_rows(bench.base, sampling, IMAGES, STEPS)
    (denoise,) = networks_of(bench.base)
    watched = {
        point: _Divergence()
        for point in points_of(denoise.network)
        if point.endswith("softmax")
    }
    for batch in rows.batches(64):
        call_eagerly(denoise, batch, watched)
    sums = np.sum([seen.sums for seen in watched.values()], axis=0)
    count = sum(seen.rows for seen in watched.values())
    return {"log2": float(sums[0] / count), "uniform": float(sums[1] / count)}
