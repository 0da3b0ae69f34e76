"""What a sampler is, and the one loop that all of them walk."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import tensorflow as tf

from pdm_tf import seeds as noises
from pdm_tf.denoisers.denoiser import Prediction
from pdm_tf.diffusion import Grid, NoiseLevel

Denoise = Callable[[tf.Tensor, NoiseLevel], Prediction]


class Sampler(Protocol):
    """Steps from one noise level to the next; knows nothing of T, labels, networks."""

    def init(self, z: tf.Tensor) -> Any:
        """What to remember before the first step: a nest of tensors."""

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: Any,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, Any]:
        """One step of z [B, H, W, C] from a level to the less noisy level `to`.

        `to` is never the clean picture: the loop ends with the denoiser's belief.
        """


def walk(
    denoise: Denoise, sampler: Sampler, grid: Grid, seeds: tf.Tensor, z: tf.Tensor
) -> tf.Tensor:
    """Walks z [N, H, W, C] from the grid's first level to a belief in the picture.

    Picture n draws its i-th noise from stream i of its own seed.
    """
    shape, last = tuple(z.shape[1:]), grid.size - 1

    def step(i: tf.Tensor, z: tf.Tensor, state: Any) -> tuple:
        noise = noises.normal(noises.keys(seeds, i + 1), shape)
        level, to = grid.level(i), grid.level(i + 1)
        return i + 1, *sampler.step(denoise, z, level, to, state, noise)

    start = (tf.constant(0), z, sampler.init(z))
    _, z, _ = tf.while_loop(lambda i, *_: i < last, step, start)
    return denoise(z, grid.level(last)).x


@lru_cache(maxsize=8)
def _compiled(denoise: Denoise, sampler: Sampler, shape: tuple[int, ...]) -> Callable:
    """One graph for each pair, for any number of pictures and levels."""

    def run(grid: Grid, seeds: tf.Tensor) -> tf.Tensor:
        z = noises.normal(noises.keys(seeds, 0), shape)
        return walk(denoise, sampler, grid, seeds, z)

    levels = Grid(tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32))
    many = tf.TensorSpec([None], tf.int32)
    return tf.function(run, input_signature=[levels, many], autograph=False)


def sample(
    denoise: Denoise,
    sampler: Sampler,
    grid: Grid,
    seeds: tf.Tensor | Sequence[int],
    image_shape: tuple[int, ...],
) -> tf.Tensor:
    """Draws pictures: the same one for a seed, whatever else is in the batch.

    Args:
      denoise: (z, level) -> Prediction.
      sampler: how to step.
      grid: the levels to visit, see `NoiseSchedule.grid`.
      seeds: int32 [N], one per picture.
      image_shape: height, width, channels.

    Returns:
      float32 [N, H, W, C], meant for [-1, 1] and not clipped.
    """
    seeds = tf.convert_to_tensor(list(seeds) if isinstance(seeds, range) else seeds)
    seeds = tf.cast(seeds, tf.int32)
    if tf.executing_eagerly():
        return _compiled(denoise, sampler, tuple(image_shape))(grid, seeds)
    z = noises.normal(noises.keys(seeds, 0), tuple(image_shape))
    return walk(denoise, sampler, grid, seeds, z)
