"""Section 2.1 of the paper as pure functions of tensors."""

from pdm_tf.diffusion.schedule import Grid, NoiseLevel, NoiseSchedule

__all__ = ["Grid", "NoiseLevel", "NoiseSchedule"]
