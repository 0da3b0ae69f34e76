"""A picture around a seed: cyclic one-way diffusion, COW (arXiv 2306.08247).

The seed is inverted, and between two middle levels noise is added and taken away again
and again, while the seed's own noisy pixels stand in their place: what surrounds them
comes to fit, and the seed does not give way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.diffusion.gaussian import eps_from_x, noised
from pdm_tf.errors import SettingError
from pdm_tf.samplers import SeededNoise, fresh_share, invertible, sample_from
from pdm_tf.samplers.ddim import DDIMEncoder
from pdm_tf.samplers.sampler import Denoise, Seeds


@dataclass(frozen=True, eq=False)
class Cyclic:
    """DDIM on a grid that also rises, with the seed's noisy pixels put in their place.

    Attributes:
      kept: levels at which the seed's pixels replace those of z, once reached.
      z: the seed at these levels, float32 [L, N or 1, H, W, C].
      mask: bool [N or 1, H, W, 1], true where to paint around it.
      turn: log SNR below which fresh noise has the whole variance of ancestral steps.
      late_eta: its share above that, see `DDIM`.
    """

    kept: Grid
    z: tf.Tensor
    mask: tf.Tensor
    turn: tf.Tensor
    late_eta: float

    @property
    def convergence_order(self) -> int | None:
        return None

    def init(self, z: tf.Tensor) -> tuple:
        return ()

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: tuple,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, tuple]:
        x = denoise(z, level).x
        rises = to.log_snr < level.log_snr
        share = tf.minimum(to.alpha / level.alpha, 1.0)
        up = tf.sqrt(share) * z + tf.sqrt(1.0 - share) * noise
        eta = tf.where(level.log_snr < self.turn, 1.0, self.late_eta)
        # Going up there is no posterior: a pair of levels that has one stands for it.
        lower = NoiseLevel(
            *(tf.where(rises, a, b) for a, b in zip(level, to, strict=True))
        )
        upper = NoiseLevel(
            *(tf.where(rises, b, a) for a, b in zip(level, to, strict=True))
        )
        fresh = tf.square(eta) * fresh_share(upper, lower, 1.0)
        eps = tf.sqrt(1.0 - fresh) * eps_from_x(z, x, level) + tf.sqrt(fresh) * noise
        return self._put(tf.where(rises, up, noised(x, eps, to)), to), state

    def _put(self, z: tf.Tensor, level: NoiseLevel) -> tf.Tensor:
        same = tf.equal(self.kept.t, level.t)
        seed = self.z[tf.argmax(tf.cast(same, tf.int32))]
        return tf.where(tf.reduce_any(same) & ~self.mask, seed, z)


def compose(
    denoise: Denoiser,
    inverted: Denoiser,
    grid: Grid,
    seeds: Seeds,
    picture: tf.Tensor,
    mask: tf.Tensor,
    cycles: int = 10,
    levels: Sequence[float] = (0.7, 0.5, 0.15),
    late_eta: float = 0.1,
) -> tf.Tensor:
    """Paints around a seed, of which nothing but its look is kept.

    The seed stands on an even canvas, of the mean colour that it has; both are inverted
    by DDIM, and the seed's pixels of that are put in place on the way.

    Args:
      denoise: conditioned or guided already.
      inverted: the same without guidance, since guided estimates are hard to invert.
      grid: the levels, S known; of these the `invertible` ones.
      seeds: int32 [N], one for each result.
      picture: [N or 1, H, W, C] in [-1, 1]; read where the mask is false.
      mask: bool [N or 1, H, W, 1], true where to paint.
      cycles: times that noise is added and taken away again.
      levels: shares of the grid, 1 the noisiest, falling: where noise is added up to,
        where it is added from, and where the seed is put in place for the last time.
      late_eta: share of fresh noise on the way from the cycles to the picture.

    Returns:
      float32 [N, H, W, C].

    Raises:
      SettingError: cycles below 0, or levels that do not fall or are one on this grid.
    """
    if cycles < 0:
        raise SettingError("cycles", cycles, "at least 0 are needed")
    grid = invertible(grid)
    top, turn, last = _places(int(grid.size), levels)
    painted = tf.convert_to_tensor(mask)
    canvas = tf.where(painted, _mean_seen(picture, painted), picture)
    count = len(tf.convert_to_tensor(seeds) if not isinstance(seeds, range) else seeds)
    canvas = tf.repeat(canvas, count // int(canvas.shape[0]), axis=0)
    stored = inverted_levels(inverted, _picked(grid, range(top, grid.size)), canvas)
    kept = [*range(top, turn + 1), last]
    sampler = Cyclic(
        _picked(grid, kept),
        tf.gather(stored, [place - top for place in kept]),
        painted,
        grid.log_snr[turn],
        late_eta,
    )
    way = _way(int(grid.size), cycles, top, turn)
    z = stored[turn - top]
    return sample_from(denoise, sampler, _picked(grid, way), seeds, z)


def _way(size: int, cycles: int, top: int, turn: int) -> list[int]:
    """Places on the grid in the order in which they are visited."""
    return [turn, *[*range(top, turn + 1)] * cycles, *range(turn + 1, size)]


def evaluations_of(grid: Grid, cycles: int, levels: Sequence[float]) -> int:
    """How often `compose` evaluates denoisers, inversion included."""
    size = int(invertible(grid).size)
    top, turn, _ = _places(size, levels)
    return size - top + len(_way(size, cycles, top, turn))


def inverted_levels(denoise: Denoiser, grid: Grid, x: tf.Tensor) -> tf.Tensor:
    """Pictures inverted by DDIM, at each level of a grid: [S, N, H, W, C].

    The noise of the first step is the same for all, see `DDIMEncoder`.
    """
    encoder = DDIMEncoder()
    eps = SeededNoise([0], tuple(x.shape[1:]))(1)  # that of the first step
    step = tf.function(
        lambda z, level, to, state: encoder.step(denoise, z, level, to, state, eps),
        autograph=False,
        reduce_retracing=True,
    )
    z, state, level = x, encoder.init(x), NoiseLevel.from_alpha(-1, 1.0)
    found = []
    for place in reversed(range(int(grid.size))):
        to = grid.level(place)
        z, state = step(z, level, to, state)
        level = to
        found.append(z)
    return tf.stack(found[::-1])


def _places(size: int, levels: Sequence[float]) -> tuple[int, int, int]:
    """Places of three levels on a grid, the noisiest first."""
    places = [round((1.0 - share) * (size - 1)) for share in levels]
    if len(places) != 3 or not 0 <= places[0] < places[1] < places[2] < size:
        raise SettingError(
            "levels",
            tuple(levels),
            f"give three that fall and are three on a grid of {size} levels",
        )
    return places[0], places[1], places[2]


def _picked(grid: Grid, places: Sequence[int] | range) -> Grid:
    return Grid(*(tf.gather(values, list(places)) for values in grid))


def _mean_seen(picture: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The mean colour of what is not to be painted, [N or 1, 1, 1, C]."""
    seen = tf.cast(~mask, tf.float32)
    total = tf.reduce_sum(seen * picture, [1, 2], keepdims=True)
    return tf.math.divide_no_nan(total, tf.reduce_sum(seen, [1, 2], keepdims=True))
