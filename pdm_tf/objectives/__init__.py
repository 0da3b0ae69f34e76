"""What can be minimised: one file a loss, each an `Objective`."""

from pdm_tf.objectives.denoising import DenoisingObjective

__all__ = ["DenoisingObjective"]
