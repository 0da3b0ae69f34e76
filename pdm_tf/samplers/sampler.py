"""What a sampler is, and the one loop that all of them walk."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

import tensorflow as tf

from pdm_tf import seeds as noises
from pdm_tf.denoisers.denoiser import Denoiser, Prediction
from pdm_tf.diffusion import Grid, NoiseLevel

Denoise = Callable[[tf.Tensor, NoiseLevel], Prediction]
Seeds: TypeAlias = tf.Tensor | Sequence[int]


class Sampler(Protocol):
    """Steps from one noise level to the next; knows nothing of T, labels, networks.

    A sampler is a frozen dataclass: equal ones share a graph.
    """

    def __hash__(self) -> int: ...

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

        `to` is never the clean picture: the loop ends with the denoiser's estimate. The
        denoiser may remember its calls, so none may stand inside a tf.cond.
        """


def evaluations(sampler: Sampler) -> int:
    """How often a sampler asks the denoiser in a step."""
    asked = 0

    def denoise(z: tf.Tensor, level: NoiseLevel) -> Prediction:
        nonlocal asked
        asked += 1
        return Prediction(z, z)

    z = tf.zeros([1, 1, 1, 1])
    levels = NoiseLevel.from_alpha(1, 0.5), NoiseLevel.from_alpha(0, 0.9)
    sampler.step(denoise, z, *levels, sampler.init(z), z)
    return asked


class _Carrying:
    """A denoiser with its memory, which samplers thus never see."""

    def __init__(self, denoise: Denoiser, carry: Any) -> None:
        self.denoise, self.carry = denoise, carry

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        prediction, self.carry = self.denoise.predict(z, level, self.carry)
        return prediction


def _integrated(
    denoise: Denoiser, sampler: Sampler, grid: Grid, seeds: tf.Tensor, z: tf.Tensor
) -> tuple[tf.Tensor, Any]:
    """z at the grid's last level, and the denoiser's memory of the way."""
    shape, last = tuple(z.shape[1:]), grid.size - 1

    def step(i: tf.Tensor, z: tf.Tensor, state: Any, carry: Any) -> tuple:
        noise = noises.normal(noises.keys(seeds, i + 1), shape)
        level, to = grid.level(i), grid.level(i + 1)
        ask = _Carrying(denoise, carry)
        z, state = sampler.step(ask, z, level, to, state, noise)
        return i + 1, z, state, ask.carry

    start = (tf.constant(0), z, sampler.init(z), denoise.init_carry(z))
    _, z, _, carry = tf.while_loop(lambda i, *_: i < last, step, start)
    return z, carry


def _denoised_at_end(
    denoise: Denoiser, sampler: Sampler, grid: Grid, seeds: tf.Tensor, z: tf.Tensor
) -> tf.Tensor:
    z, carry = _integrated(denoise, sampler, grid, seeds, z)
    return denoise.predict(z, grid.level(grid.size - 1), carry)[0].x


@lru_cache(maxsize=8)
def _compiled(
    program: Callable, denoise: Denoiser, sampler: Sampler, shape: tuple[int, ...]
) -> Callable:
    """One graph for each pair, for any number of pictures and levels."""
    signature = [
        Grid(tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32)),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, *shape], tf.float32),
    ]
    return tf.function(
        lambda *arguments: program(denoise, sampler, *arguments),
        input_signature=signature,
        autograph=False,
    )


def _run(
    program: Callable,
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds,
    z: tf.Tensor,
) -> Any:
    seeds = as_seeds(seeds)
    if tf.executing_eagerly():
        return _compiled(program, denoise, sampler, tuple(z.shape[1:]))(grid, seeds, z)
    return program(denoise, sampler, grid, seeds, z)


def as_seeds(seeds: Seeds) -> tf.Tensor:
    """Seeds as int32 [N]."""
    seeds = tf.convert_to_tensor(list(seeds) if isinstance(seeds, range) else seeds)
    return tf.cast(seeds, tf.int32)


def start(seeds: Seeds, image_shape: tuple[int, ...]) -> tf.Tensor:
    """The noise that each picture begins with: stream 0 of its seed, [N, H, W, C]."""
    program = _start_compiled if tf.executing_eagerly() else _start
    return program(as_seeds(seeds), tuple(image_shape))


def _start(seeds: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    return noises.normal(noises.keys(seeds, 0), shape)


# Not for use in another graph: after calls with several numbers of pictures its traces
# know none, and a graph of static shapes would lose them here.
_start_compiled = tf.function(_start, autograph=False, reduce_retracing=True)


def integrate(
    denoise: Denoiser, sampler: Sampler, grid: Grid, seeds: Seeds, z: tf.Tensor
) -> tf.Tensor:
    """z [N, H, W, C] integrated from the grid's first level to its last.

    Picture n draws its i-th noise from stream i of its own seed.
    """
    return _run(_integrated, denoise, sampler, grid, seeds, z)[0]


def sample_from(
    denoise: Denoiser, sampler: Sampler, grid: Grid, seeds: Seeds, z: tf.Tensor
) -> tf.Tensor:
    """The picture sampled from z [N, H, W, C] at the grid's first level."""
    return _run(_denoised_at_end, denoise, sampler, grid, seeds, z)


def sample(
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds,
    image_shape: tuple[int, ...],
) -> tf.Tensor:
    """Draws pictures: the same one for a seed, whatever else is in the batch.

    Args:
      denoise: what is asked at every step.
      sampler: how to step.
      grid: the levels to visit, see `NoiseSchedule.grid`.
      seeds: int32 [N], one per picture.
      image_shape: height, width, channels.

    Returns:
      float32 [N, H, W, C], meant for [-1, 1] and not clipped.
    """
    return sample_from(denoise, sampler, grid, seeds, start(seeds, image_shape))
