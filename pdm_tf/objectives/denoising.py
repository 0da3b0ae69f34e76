"""The loss of the paper: L_simple with its weights, and L_vlb (Appendix C)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.denoisers.conditioning import as_labels
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.objective import Loss
from pdm_tf.diffusion.gaussian import noised
from pdm_tf.diffusion.losses import simple_loss, vlb_loss
from pdm_tf.objectives.draws import Draws, draw, drop_each, drop_labels
from pdm_tf.objectives.levels import Levels
from pdm_tf.objectives.loss_history import LossHistory


@dataclass(frozen=True, eq=False)
class DenoisingObjective:
    """L_simple for the network, L_vlb for its variance head alone.

    The terms are simple, weighted as `diffusion.losses.weight` says, and vlb [bits per
    dimension], 0 for a network that learns no variance; the total is their sum.

    Attributes:
      denoise: what learns to denoise, unconditional or not conditioned yet.
      variables: those that learn, by the names that a checkpoint keeps them under.
      weighting: name of gamma_t, see `diffusion.losses.weight`.
      label_dropout: share of labels that are replaced by the null label.
      t_range: first and last timestep trained, both included.
      levels: u even in [0, 1), first and last timestep -> the levels trained; None:
        those of the schedule.
      stratified: whether the levels of a batch are spread evenly, see `draws.draw`.
      condition_dropout: share of pictures that lose a condition, each by itself; of
        rows of conditions `label_dropout` drops all together.
      history: draws timesteps where losses are large, see `LossHistory`; None: all
        alike.
    """

    denoise: Denoiser
    variables: Mapping[str, tf.Variable]
    weighting: str
    label_dropout: float
    t_range: tuple[int, int]
    levels: Levels | None = None
    stratified: bool = True
    condition_dropout: float = 0.0
    history: LossHistory | None = None
    terms: ClassVar = ("simple", "vlb")
    buckets: ClassVar = 4  # quartiles of the timesteps

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> Draws:
        """Noise, timesteps and dropped labels of a batch, see `draws.draw`."""
        count = len(conditions.parts) if (conditions := self.denoise.conditions) else 0
        draws = draw(seed, step, batch_size, self.stratified, count)
        if self.history is None:
            return draws
        u = self.history.drawn(draws.u)
        return draws._replace(u=u, weight=self.history.weights(u))

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: Draws) -> Loss:
        """Losses of pictures x [B, H, W, C] in [-1, 1] with labels int32 [B].

        With conditions their rows, float32 [B, n], may be in the place of labels.
        """
        denoise, schedule = self.denoise, self.denoise.schedule
        level = (self.levels or schedule.spread)(draws.u, *self.t_range)
        eps = seeds.normal(draws.keys, tuple(x.shape[1:]))
        z = noised(x, eps, level.per_pixel())
        if denoise.takes_conditions:
            denoise = denoise.conditioned(self._kept(labels, draws))
        denoised, variance = denoise(z, level)
        scale = schedule.noise_scale
        simple = simple_loss(x, denoised, level, self.weighting, scale)
        vlb = tf.zeros_like(simple)
        if denoise.learns_variance:
            fixed = tf.stop_gradient(denoised)
            vlb = vlb_loss(schedule, z, x, fixed, variance, level)
        bucket = level.t * self.buckets // schedule.timesteps
        loss = Loss(simple + vlb, {"simple": simple, "vlb": vlb}, bucket)
        return loss if self.history is None else _weighted(loss, draws.weight)

    @property
    def unlearnt(self) -> Mapping[str, tf.Variable]:
        """What a checkpoint keeps beside the variables, by name."""
        return {} if self.history is None else self.history.variables

    def seen(self, losses: Loss, draws: Draws) -> tuple[tf.Tensor, ...]:
        """What a step adds to the history, to be summed over replicas."""
        if self.history is None:
            return ()
        return self.history.seen(draws.u, losses.total / draws.weight)

    def note(self, *sums: tf.Tensor) -> None:
        """Takes in the sums of what all replicas have `seen`."""
        if self.history is not None:
            self.history.note(*sums)

    def _kept(self, labels: tf.Tensor, draws: Draws) -> tf.Tensor:
        """Labels, or rows of conditions, of which some are dropped."""
        labels, null = as_labels(self.denoise, labels), self.denoise.num_classes
        kept = drop_labels(labels, draws.drop, self.label_dropout, null)
        if self.denoise.conditions is None:
            return kept
        parts = self.denoise.conditions.parts.values()
        return drop_each(kept, draws.each, self.condition_dropout, parts)


def _weighted(loss: Loss, weight: tf.Tensor) -> Loss:
    terms = {name: weight * term for name, term in loss.terms.items()}
    return Loss(weight * loss.total, terms, loss.bucket)
