"""Settings of a model's training to restore."""

from dataclasses import dataclass

from pdm_tf.config.deriving import TrainedConfig
from pdm_tf.config.options import LAST_SEED, option
from pdm_tf.config.sampling import REVERSED


@dataclass(frozen=True)
class IDMConfig(TrainedConfig):
    """Restores a picture of few numbers, all steps learnt at once (IDM, 2403.17006)."""

    ratio: float = option(
        0.1,
        "Share of a picture's numbers that is measured, as operator compressed does.",
        low=1e-4,
        high=1,
    )
    operator_seed: int = option(
        0, "Seed of what the operator draws.", low=0, high=LAST_SEED
    )
    sigma: float = option(
        0.0, "Standard deviation of the noise in measurements.", low=0, high=100
    )
    steps: int = option(
        REVERSED, "Steps, one evaluation each; memory is that of one.", low=1
    )
    calibration_images: int = option(
        64, "Training pictures that say how noisy the steps are at first.", low=1
    )
    batch_size: int = option(8, "Pictures in each step.")
    learning_rate: float = option(3e-4, "Step size of Adam.", low=0)
    clip_norm: float = option(
        1.0, "Largest global norm of the gradients; 0: any.", low=0
    )
    iterations: int = option(1200, "Training steps, of all commands together.")
    warmup: int = option(20, "Steps over which the step size grows to its full size.")
    ema_every: int = option(1, "Steps between two updates of the averaged weights.")
    save_every: int = option(100, "Steps between checkpoints.")
