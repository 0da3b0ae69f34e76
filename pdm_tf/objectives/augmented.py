"""Any loss of denoising, of augmented pictures whose network knows the augmentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.denoisers.objective import Loss
from pdm_tf.objectives.augmentation import DRAWN, STREAM, draw_transforms, transform
from pdm_tf.objectives.denoising import DenoisingObjective
from pdm_tf.objectives.draws import Draws


class AugmentedDraws(NamedTuple):
    """The random numbers of a batch, one row an example."""

    own: Draws  # of the objective
    transforms: tf.Tensor  # float32 [B, DRAWN] in [0, 1)


@dataclass(frozen=True, eq=False)
class AugmentedObjective:
    """A denoising objective whose pictures are augmented without leaking.

    Attributes:
      objective: of a network with an embedding of augmentation.
      chance: of each transform, see `augmentation.draw_transforms`.
      names: of the transforms.
    """

    objective: DenoisingObjective
    chance: float
    names: tuple[str, ...]

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        return self.objective.variables

    @property
    def terms(self) -> Sequence[str]:
        return self.objective.terms

    @property
    def buckets(self) -> int:
        return self.objective.buckets

    @property
    def unlearnt(self) -> Mapping[str, tf.Variable]:
        return self.objective.unlearnt

    def seen(self, losses: Loss, draws: AugmentedDraws) -> tuple[tf.Tensor, ...]:
        return self.objective.seen(losses, draws.own)

    def note(self, *sums: tf.Tensor) -> None:
        self.objective.note(*sums)

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> AugmentedDraws:
        """The objective's own numbers, and those of the transforms."""
        u = seeds.step_uniform(seed, step, STREAM, batch_size, DRAWN)
        return AugmentedDraws(self.objective.draw(seed, step, batch_size), u)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: AugmentedDraws) -> Loss:
        """Losses of pictures x [B, H, W, C] in [-1, 1] with labels int32 [B]."""
        transforms = draw_transforms(draws.transforms, self.chance, self.names)
        denoise = self.objective.denoise
        assert isinstance(denoise, NetworkDenoiser)
        asked = replace(self.objective, denoise=denoise.augmented(transforms.vector))
        return asked(transform(x, transforms), labels, draws.own)
