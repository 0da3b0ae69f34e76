"""What a sampler is, and the one sampling loop."""

import weakref
from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf

from pdm_tf.denoisers.denoiser import Denoiser, Prediction
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.samplers.noise import NoiseSource, SeededNoise, Seeds, as_seeds

_TYPES = tf.int32, tf.float32, tf.float32  # of a grid's t, log SNR and rest
Denoise = Callable[[tf.Tensor, NoiseLevel], Prediction]


class Sampler(Protocol):
    """Steps from one noise level to the next; knows nothing of T, labels, networks.

    A sampler is a frozen dataclass: equal ones share a graph.

    Attributes:
      convergence_order: the power of the step size with which errors of the
        probability flow's solution fall, on grids whose steps change smoothly; None
        for samplers that solve no ordinary differential equation.
    """

    @property
    def convergence_order(self) -> int | None: ...

    def __hash__(self) -> int: ...

    def init(self, z: tf.Tensor) -> Any:
        """What the sampler carries into the first step: a nest of tensors."""

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
        denoiser may carry tensors from call to call, so none may stand inside a
        tf.cond.
        """


def evaluations(sampler: Sampler) -> int:
    """How often a sampler evaluates the denoiser in a step."""
    count = 0

    def denoise(z: tf.Tensor, level: NoiseLevel) -> Prediction:
        nonlocal count
        count += 1
        return Prediction(z, z)

    z = tf.zeros([1, 1, 1, 1])
    levels = NoiseLevel.from_alpha(1, 0.5), NoiseLevel.from_alpha(0, 0.9)
    sampler.step(denoise, z, *levels, sampler.init(z), z)
    return count


class _Carrying:
    """A denoiser with what it carries, which samplers thus never see."""

    def __init__(self, denoise: Denoiser, carry: Any) -> None:
        self.denoise, self.carry = denoise, carry

    def __call__(self, z: tf.Tensor, level: NoiseLevel) -> Prediction:
        prediction, self.carry = self.denoise.predict(z, level, self.carry)
        return prediction


def _integrated(
    denoise: Denoiser, sampler: Sampler, grid: Grid, noise: NoiseSource, z: tf.Tensor
) -> tuple[tf.Tensor, Any]:
    """z at the grid's last level, and what the denoiser carries there."""
    last = grid.size - 1

    def step(i: tf.Tensor, z: tf.Tensor, state: Any, carry: Any) -> tuple:
        eps, level, to = noise(i + 1), grid.level(i), grid.level(i + 1)
        carrying = _Carrying(denoise, carry)
        z, state = sampler.step(carrying, z, level, to, state, eps)
        return i + 1, z, state, carrying.carry

    start = (tf.constant(0), z, sampler.init(z), denoise.init_carry(z))
    _, z, _, carry = tf.while_loop(lambda i, *_: i < last, step, start)
    return z, carry


def _denoised_at_end(
    denoise: Denoiser, sampler: Sampler, grid: Grid, noise: NoiseSource, z: tf.Tensor
) -> tf.Tensor:
    z, carry = _integrated(denoise, sampler, grid, noise, z)
    return denoise.predict(z, grid.level(grid.size - 1), carry)[0].x


class _Graphs:
    """Compiled sampling loops of a denoiser, which keeps them; copies have others."""

    def __init__(self, owner: Denoiser) -> None:
        self._owner = weakref.ref(owner)
        self._made: dict[tuple, Callable] = {}

    @classmethod
    def of(cls, denoise: Denoiser) -> "_Graphs":
        graphs = vars(denoise).get("_graphs")
        if graphs is None or graphs._owner() is not denoise:
            graphs = vars(denoise)["_graphs"] = cls(denoise)
        return graphs

    def find(
        self, program: Callable, sampler: Sampler, shape: tuple[int, ...]
    ) -> Callable:
        """One graph for each sampler, for any number of pictures and levels."""
        key = program, sampler, shape
        if key not in self._made:
            self._made[key] = self._compiled(*key)
        return self._made[key]

    def _compiled(
        self, program: Callable, sampler: Sampler, shape: tuple[int, ...]
    ) -> Callable:
        denoise = self._owner()
        signature = [
            Grid(*(tf.TensorSpec([None], kind) for kind in _TYPES)),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, *shape], tf.float32),
        ]
        return tf.function(
            lambda grid, seeds, z: program(
                denoise, sampler, grid, SeededNoise(seeds, shape), z
            ),
            input_signature=signature,
            autograph=False,
        )


def _run(
    program: Callable,
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds | NoiseSource,
    z: tf.Tensor,
) -> Any:
    shape = tuple(z.shape[1:])
    if isinstance(seeds, NoiseSource):
        # A graph of its own: no other call will have the same source.
        once = tf.function(
            lambda z: program(denoise, sampler, grid, seeds, z), autograph=False
        )
        return once(z)
    if tf.executing_eagerly():
        graph = _Graphs.of(denoise).find(program, sampler, shape)
        return graph(grid, as_seeds(seeds), z)
    return program(denoise, sampler, grid, SeededNoise(seeds, shape), z)


def start(seeds: Seeds, image_shape: tuple[int, ...]) -> tf.Tensor:
    """The noise that each picture begins with: stream 0 of its seed, [N, H, W, C]."""
    program = _start_compiled if tf.executing_eagerly() else _start
    return program(as_seeds(seeds), tuple(image_shape))


def _start(seeds: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    return SeededNoise(seeds, shape)(0)


# Not for use in another graph: after calls with several numbers of pictures its traces
# know none, and a graph of static shapes would lose them here.
_start_compiled = tf.function(_start, autograph=False, reduce_retracing=True)


def integrate(
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds | NoiseSource,
    z: tf.Tensor,
) -> tf.Tensor:
    """z [N, H, W, C] integrated from the grid's first level to its last.

    Args:
      denoise: evaluated at every step.
      sampler: how to step.
      grid: the levels to visit.
      seeds: int32 [N], where picture n draws its i-th noise from stream i of its own
        seed; or another source of noise.
      z: float32 [N, H, W, C] at the grid's first level.
    """
    return _run(_integrated, denoise, sampler, grid, seeds, z)[0]


def sample_from(
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds | NoiseSource,
    z: tf.Tensor,
) -> tf.Tensor:
    """The picture sampled from z [N, H, W, C] at the grid's first level."""
    return _run(_denoised_at_end, denoise, sampler, grid, seeds, z)


def sample(
    denoise: Denoiser,
    sampler: Sampler,
    grid: Grid,
    seeds: Seeds | NoiseSource,
    image_shape: tuple[int, ...],
) -> tf.Tensor:
    """Draws pictures: the same one for a seed, whatever else is in the batch.

    Args:
      denoise: evaluated at every step.
      sampler: how to step.
      grid: the levels to visit, see `NoiseSchedule.grid`.
      seeds: int32 [N], one per picture; or another source of noise.
      image_shape: height, width, channels.

    Returns:
      float32 [N, H, W, C], meant for [-1, 1] and not clipped.
    """
    if isinstance(seeds, NoiseSource):
        return sample_from(denoise, sampler, grid, seeds, seeds(0))
    z = start(seeds, image_shape)
    return sample_from(denoise, sampler, grid, seeds, z)
