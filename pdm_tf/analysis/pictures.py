"""The pictures that figures are made of: to learn from, held out, and with noise."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.analysis.networks import shape_of
from pdm_tf.config import AnalysisConfig
from pdm_tf.data.images import to_float
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import Denoiser, EmpiricalDenoiser
from pdm_tf.diffusion import NoiseSchedule, gaussian
from pdm_tf.errors import SettingError

NOISE = 2**30  # seeds of the noise, far from those of samples


def read_pictures(config: AnalysisConfig, split: str, count: int = 0) -> np.ndarray:
    """The first pictures of the data set, or all for 0: uint8 [N, H, W, C].

    Raises:
      InputError: no such data set, or none of its pictures is held out.
    """
    source = open_source(config.dataset, shape_of(config), 0, split)
    count = min(count or len(source), len(source))
    pictures, _ = source.read(np.arange(count))
    if count < 2:
        raise SettingError(
            "dataset",
            config.dataset,
            f"{count} pictures in its {split} part, at least 2 are needed; choose a "
            "larger data set",
        )
    return pictures


def optimal_denoiser(
    pictures: np.ndarray, schedule: NoiseSchedule
) -> EmpiricalDenoiser:
    """x* of equation 4 over pictures uint8 [N, H, W, C]."""
    return EmpiricalDenoiser(pictures, schedule, decoded=to_float)


@tf.function(reduce_retracing=True)
def noise_of(first: tf.Tensor, count: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """The noise of pictures first … first + count - 1, the same at every t."""
    rows = NOISE + first + tf.range(count, dtype=tf.int32)
    return seeds.normal(seeds.keys(rows, 0), shape)


def noisy_pictures(
    pictures: np.ndarray, t: int, schedule: NoiseSchedule, first: int = 0
) -> tf.Tensor:
    """z at timestep t of pictures uint8 [N, H, W, C]; picture k has noise first + k."""
    shape = tuple(pictures.shape[1:])
    eps = noise_of(tf.constant(first), tf.constant(len(pictures)), shape)
    return gaussian.noised(tf.constant(to_float(pictures)), eps, schedule.level(t))


class Estimating:
    """Estimates of noisy pictures by a denoiser, in batches, one graph for all t.

    Args:
      denoise: any denoiser.
      pictures: uint8 [N, H, W, C].
      batch_size: pictures at once.
    """

    def __init__(
        self, denoise: Denoiser, pictures: np.ndarray, batch_size: int
    ) -> None:
        self._pictures, self._batch_size = pictures, batch_size
        self._schedule = denoise.schedule
        shape = [None, *pictures.shape[1:]]
        self._estimate: Callable = tf.function(
            lambda z, t: denoise(z, denoise.schedule.level(t)).x,
            input_signature=[
                tf.TensorSpec(shape, tf.float32),
                tf.TensorSpec([], tf.int32),
            ],
            autograph=False,
        )

    def at(self, t: int) -> np.ndarray:
        """The estimate about each picture, float32 [N, H, W, C]."""
        return np.concatenate(list(self._batches(t)))

    def _batches(self, t: int) -> Iterator[np.ndarray]:
        for first in range(0, len(self._pictures), self._batch_size):
            x = self._pictures[first : first + self._batch_size]
            z = noisy_pictures(x, t, self._schedule, first)
            yield self._estimate(z, tf.constant(t)).numpy()
