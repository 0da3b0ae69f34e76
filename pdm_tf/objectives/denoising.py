"""The loss of the paper: L_simple with its weights, and L_vlb (Appendix C)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from pdm_tf import seeds
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.objective import Loss
from pdm_tf.diffusion.gaussian import noised
from pdm_tf.diffusion.losses import simple_loss, vlb_loss
from pdm_tf.objectives.draws import Draws, draw, drop_labels
from pdm_tf.objectives.levels import Levels


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
    """

    denoise: Denoiser
    variables: Mapping[str, tf.Variable]
    weighting: str
    label_dropout: float
    t_range: tuple[int, int]
    levels: Levels | None = None
    stratified: bool = True
    terms: ClassVar = ("simple", "vlb")
    buckets: ClassVar = 4  # quartiles of the timesteps

    def draw(self, seed: int, step: tf.Tensor, batch_size: int) -> Draws:
        """Noise, timesteps and dropped labels of a batch, see `draws.draw`."""
        return draw(seed, step, batch_size, self.stratified)

    def __call__(self, x: tf.Tensor, labels: tf.Tensor, draws: Draws) -> Loss:
        """Losses of pictures x [B, H, W, C] in [-1, 1] with labels int32 [B]."""
        denoise, schedule = self.denoise, self.denoise.schedule
        level = (self.levels or schedule.spread)(draws.u, *self.t_range)
        eps = seeds.normal(draws.keys, tuple(x.shape[1:]))
        z = noised(x, eps, level.per_pixel())
        if denoise.num_classes:
            null = denoise.num_classes
            kept = drop_labels(labels, draws.drop, self.label_dropout, null)
            denoise = denoise.conditioned(kept)
        denoised, variance = denoise(z, level)
        scale = schedule.noise_scale
        simple = simple_loss(x, denoised, level, self.weighting, scale)
        vlb = tf.zeros_like(simple)
        if denoise.learns_variance:
            fixed = tf.stop_gradient(denoised)
            vlb = vlb_loss(schedule, z, x, fixed, variance, level)
        bucket = level.t * self.buckets // schedule.timesteps
        return Loss(simple + vlb, {"simple": simple, "vlb": vlb}, bucket)
