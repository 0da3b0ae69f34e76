"""CycleDiffusion: noise of one denoiser, drawn by another (arXiv 2210.05559)."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from pdm_tf.denoisers import Denoiser
from pdm_tf.diffusion import Grid, NoiseLevel
from pdm_tf.diffusion.gaussian import eps_from_x, noised
from pdm_tf.editing.sdedit import check_strength, sdedit
from pdm_tf.samplers import DDIM, fresh_share, integrate, start
from pdm_tf.samplers.sampler import Denoise, Seeds

State = tuple[tf.Tensor, Any]


@dataclass(frozen=True, eq=False)
class Translated:
    """DDIM with the noises that lead another denoiser to a given picture.

    The encoder draws z_s from q(z_s | z_t, x), where x is known; the noise that takes
    the source denoiser there is given to this one, down to the picture itself. Both go
    the same way, so they go side by side and no noise is stored, whatever the number
    of steps.

    Attributes:
      source: the denoiser of the picture.
      x: the picture, [N or 1, H, W, C].
      eta: share of fresh noise in a step, see `DDIM`.
    """

    source: Denoiser
    x: tf.Tensor
    eta: float

    @property
    def convergence_order(self) -> int | None:
        return None

    def init(self, z: tf.Tensor) -> State:
        return z, self.source.init_carry(z)

    def step(
        self,
        denoise: Denoise,
        z: tf.Tensor,
        level: NoiseLevel,
        to: NoiseLevel,
        state: State,
        noise: tf.Tensor,
    ) -> tuple[tf.Tensor, State]:
        encoded, carry = state
        known, carry = self.source.predict(encoded, level, carry)
        # The last step, to the picture, draws none: what is left there is e too.
        fresh = tf.where(to.noise > 0.0, fresh_share(level, to, self.eta), 0.0)
        drawn = self._mean(encoded, self.x, level, to, fresh)
        drawn += tf.sqrt(fresh) * to.noise * noise
        # sigma·e of the encoder: what the source denoiser would have had to draw.
        gap = drawn - self._mean(encoded, known.x, level, to, fresh)
        moved = self._mean(z, denoise(z, level).x, level, to, fresh) + gap
        return moved, (drawn, carry)

    @staticmethod
    def _mean(
        z: tf.Tensor, x: tf.Tensor, level: NoiseLevel, to: NoiseLevel, fresh: tf.Tensor
    ) -> tf.Tensor:
        """Mean of q(z_s | z_t, x) with this share of fresh noise."""
        return noised(x, tf.sqrt(1.0 - fresh) * eps_from_x(z, x, level), to)


def translate(
    source: Denoiser,
    target: Denoiser,
    grid: Grid,
    seeds: Seeds,
    picture: tf.Tensor,
    strength: float = 0.85,
    eta: float = 0.1,
    refine: float = 0.0,
) -> tf.Tensor:
    """A picture as another denoiser would have drawn it from the same noise.

    With the source itself as target the picture comes back, to rounding. (The authors'
    program ends with an estimate in the place of the last step; as their formula says,
    that step has its noise here too.)

    Args:
      source: the denoiser of the picture: conditioned on its class, without guidance.
      target: that of the result: on another class, guided, or of another model.
      grid: S levels, S known; round(strength·S) of them are visited.
      seeds: int32 [N], one for each result.
      picture: [N or 1, H, W, C] in [-1, 1].
      strength: 0 returns the picture.
      eta: share of fresh noise in a step.
      refine: share of the levels to which the result is noised, to be drawn again by
        the target with eta 1; 0: it stays.

    Returns:
      float32 [N, H, W, C].

    Raises:
      InputError: a strength outside [0, 1].
    """
    check_strength(strength)
    made = _translated(source, target, grid, seeds, picture, strength, eta)
    if not refine:
        return made
    return sdedit(target, DDIM(eta=1.0), grid, seeds, made, refine)


def _translated(
    source: Denoiser,
    target: Denoiser,
    grid: Grid,
    seeds: Seeds,
    picture: tf.Tensor,
    strength: float,
    eta: float,
) -> tf.Tensor:
    z = start(seeds, tuple(picture.shape[1:]))
    visited = round(strength * int(grid.size))
    if visited == 0:
        return tf.broadcast_to(picture, tf.shape(z))
    clean = NoiseLevel.from_alpha(-1, 1.0)
    grid = Grid(
        *(
            tf.concat([levels[-visited:], [last]], 0)
            for levels, last in zip(grid, clean, strict=True)
        )
    )
    z = noised(picture, z, grid.level(0))
    return integrate(target, Translated(source, picture, eta), grid, seeds, z)
