"""The small networks that the figures compare: about 1.2 million numbers each."""

from collections.abc import Callable
from pathlib import Path

from pdm_tf.config import (
    AnalysisConfig,
    Config,
    DataConfig,
    DiffusionConfig,
    Prediction,
    TrainingConfig,
    UNetConfig,
    Weighting,
)
from pdm_tf.denoisers import Denoiser
from pdm_tf.errors import SettingError

# Settings of a run -> its denoiser, trained and with averaged weights.
Obtain = Callable[[Config], Denoiser]

# P -> width, multipliers, blocks. As in Table 4 of the paper, twice the patch means
# one level less, more channels, and the same number of parameters.
SIZES: dict[int, tuple[int, tuple[float, ...], int]] = {
    1: (32, (1, 1, 2, 2), 1),
    2: (32, (1, 2, 2), 1),
    4: (64, (1, 1), 1),
    8: (64, (1,), 3),
}
COARSEST = 2  # grids on which there is attention, from the coarsest up


def shape_of(config: AnalysisConfig) -> tuple[int, ...]:
    """Height, width and channels of the pictures."""
    if config.image_shape:
        return config.image_shape
    return (32, 32, 1 if config.dataset == "mnist" else 3)


def plan(
    config: AnalysisConfig,
    patch_size: int,
    prediction: Prediction = "x",
    weighting: Weighting = "sqrt_snr",
    initial: bool = False,
) -> Config:
    """The run of one network, below the output directory.

    Args:
      config: the command's settings.
      patch_size: P, one of `SIZES`.
      prediction: what the network's output means.
      weighting: of the loss; "snr" is the plain error of eps, as ADM trains.
      initial: the short training of Figure 3.
    """
    shape = shape_of(config)
    width, multipliers, blocks = SIZES[patch_size]
    finest = shape[0] // patch_size
    grids = [finest >> level for level in range(len(multipliers))]
    length = "short" if initial else "long"
    name = f"{length}_p{patch_size}_{prediction}_{weighting}"
    iterations = config.initial_iterations if initial else config.iterations
    return Config(
        data=DataConfig(dataset=config.dataset),
        diffusion=DiffusionConfig(prediction=prediction, weighting=weighting),
        network=UNetConfig(
            image_shape=shape,
            patch_size=patch_size,
            width=width * config.widen,
            channel_multipliers=multipliers,
            blocks_per_level=(blocks,),
            attention_resolutions=tuple(grids[-COARSEST:]),
        ),
        training=TrainingConfig(
            run_dir=str(Path(config.out) / "networks" / name),
            iterations=iterations,
            batch_size=config.training_batch,
            learning_rate=config.learning_rate,
            warmup=100,
            ema_decay=0.95,  # over some 200 steps
            ema_every=10,
            seed=config.seed,
            log_every=10,
            sample_every=0,
            save_every=100,
            keep=1,
            export=False,
        ),
    )


def check(config: AnalysisConfig) -> None:
    """Raises InputError for settings that no figure can be made with."""
    least = {
        "iterations": 1,
        "initial_iterations": 1,
        "training_batch": 1,
        "widen": 1,
        "seed": 0,
        "batch_size": 1,
        "pictures": 0,
        "judged": 2,
        "t": 0,
        "num_images": 2,
        "steps": 2,
    }
    for name, smallest in least.items():
        if getattr(config, name) < smallest:
            value = getattr(config, name)
            raise SettingError(name, value, f"at least {smallest} is needed")
    if config.t >= DiffusionConfig.timesteps:
        raise SettingError(
            "t", config.t, f"choose from 0 to {DiffusionConfig.timesteps - 1}"
        )
