"""How hard each stretch from noise to picture is (CBS, arXiv 2606.06477).

Both measures are of the velocity v = dw/dt along w = t·x + (1 - t)·s·eps, on which
every process lies after scaling, so that they do not depend on a model's own process:

- acceleration: |dv/dt| along the trajectories that sampling takes, root mean square;
- dirichlet: |∂v/∂w|, the root of the flow's Dirichlet energy per pixel.

A function that is approximated by pieces is so best by pieces over which such a density
integrates to the same (de Boor's equidistribution).
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.diffusion.flow import length_of, time_of
from pdm_tf.samplers.noise import SeededNoise, Seeds, as_seeds

_NEAREST = 0.02  # of 1 - t: beyond, networks' errors are divided by next to nothing
_REACH = 0.01  # of a probe, in units of w


class Curve(NamedTuple):
    """A density over time."""

    t: np.ndarray  # float64 [S], rising: 0 is noise, 1 the picture
    density: np.ndarray  # float64 [S]


class Burden(NamedTuple):
    """What a model's trajectories came to."""

    acceleration: Curve
    dirichlet: Curve


def measure_burden(denoise: Denoiser, seeds: Seeds, steps: int) -> Burden:
    """Measures a denoiser along the trajectories of some pictures.

    Three evaluations of each picture at each level.

    Args:
      denoise: conditioned as it is to be measured.
      seeds: int32 [N], one for each picture.
      steps: of Euler's method, even in t; two and more.
    """
    schedule, scale = denoise.schedule, denoise.schedule.noise_scale
    noise = SeededNoise(as_seeds(seeds), denoise.image_shape)
    find = tf.function(lambda w, i: _velocity(denoise, schedule, w, i), autograph=False)
    visited = _visited(schedule, steps)
    t = [float(time_of(schedule.level(i), scale)[0]) for i in visited]
    first = schedule.level(visited[0])
    w, velocities, energies = noise(0) * length_of(first, scale), [], []
    for n, i in enumerate(map(tf.constant, visited)):
        probe = _REACH * _unit(noise(n + 1))
        v = find(w, i)
        slope = (find(w + probe, i) - find(w - probe, i)) / (2.0 * _REACH)
        velocities.append(v)
        energies.append(float(tf.reduce_mean(tf.square(slope))))
        if n + 1 < len(t):
            w += (t[n + 1] - t[n]) * v
    times = np.array(t)
    changes = [
        float(tf.reduce_mean(tf.square(later - v))) ** 0.5
        for v, later in pairwise(velocities)
    ]
    return Burden(
        Curve(0.5 * (times[1:] + times[:-1]), np.array(changes) / np.diff(times)),
        Curve(times, np.sqrt(energies)),
    )


def _unit(eps: tf.Tensor) -> tf.Tensor:
    """Noise whose mean square is 1 in each picture, which leaves less to chance."""
    square = tf.reduce_mean(tf.square(eps), axis=[1, 2, 3], keepdims=True)
    return eps * tf.math.rsqrt(square)


def _velocity(
    denoise: Denoiser, schedule: NoiseSchedule, w: tf.Tensor, i: tf.Tensor
) -> tf.Tensor:
    level, scale = schedule.level(i), schedule.noise_scale
    x = denoise(w / length_of(level, scale), level).x
    return (x - w) / time_of(level, scale)[1]


def _visited(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Indices of levels, the noisiest first, as even in t as a schedule has them."""
    t = tf.sigmoid(0.5 * schedule.log_snr + np.log(schedule.noise_scale)).numpy()
    wanted = np.linspace(t[-1], min(t[0], 1.0 - _NEAREST), steps)
    nearest = np.abs(t[:, None] - wanted).argmin(axis=0)
    return sorted({int(i) for i in nearest}, reverse=True)


def equal_parts(curve: Curve, parts: int) -> np.ndarray:
    """The times between parts over each of which a density integrates to the same.

    Args:
      curve: the density.
      parts: how many; 1 has no boundary.

    Returns:
      float64 [parts - 1], rising.
    """
    middle = 0.5 * (curve.density[1:] + curve.density[:-1])
    total = np.concatenate([[0.0], np.cumsum(middle * np.diff(curve.t))])
    wanted = total[-1] * np.arange(1, parts) / parts
    return np.interp(wanted, total, curve.t)


def snr_at(t: np.ndarray, noise_scale: float = 1.0) -> np.ndarray:
    """The signal-to-noise ratio of times of the straight way."""
    return np.square(t / ((1.0 - t) * noise_scale))
