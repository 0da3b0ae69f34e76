"""Run directories with random weights, made in seconds, and pictures of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

import pdm_tf as pdm
from pdm_tf.assemble.runs import write_settings
from pdm_tf.assemble.state import build_state
from pdm_tf.config import (
    Config,
    DataConfig,
    DiffusionConfig,
    SamplingConfig,
    TrainingConfig,
    TransformerConfig,
    UNetConfig,
)

SMALL = UNetConfig(
    image_shape=(8, 8, 1),
    patch_size=2,
    width=8,
    channel_multipliers=(1.0,),
    blocks_per_level=1,
    attention_resolutions=(),
)
# A flagfile of a training whose steps take no time.
SMALLEST = """
--dataset=mnist
--width=8
--channel_multipliers=1
--blocks_per_level=1
--attention_resolutions=
--batch_size=2
--sample_every=0
--save_every=3
--steps_per_call=3
--noexport
"""


def make_run(
    directory: Path,
    seed: int,
    *,
    scale: float = 0.3,
    network: dict | None = None,
    transformer: dict | None = None,
    diffusion: dict | None = None,
    sampling: dict | None = None,
    data: dict | None = None,
    **training,
) -> Path:
    """A run directory with a checkpoint of random weights.

    Args:
      directory: where it is made.
      seed: of the weights, whose standard deviation is `scale`.
      network: settings that differ from SMALL.
      diffusion: settings that differ from the defaults, as those of `sampling`,
        `data` and `training` do.
    """
    config = Config(
        data=DataConfig(**data or {}),
        diffusion=DiffusionConfig(**diffusion or {}),
        network=replace(SMALL, **network or {}),
        transformer=TransformerConfig(**transformer or {}),
        training=TrainingConfig(run_dir=str(directory), seed=seed, **training),
        sampling=SamplingConfig(**sampling or {}),
    )
    write_settings(config)
    state = build_state(config, tf.distribute.get_strategy())
    rng = np.random.default_rng(seed)
    for weights in state.average.weights.values():
        weights.assign(scale * rng.normal(size=weights.shape))
    state.checkpoints.save()
    return directory


# A patch transformer on the straight way, in the place of the U-Net.
JIT: dict = {
    "network": {"architecture": "jit", "image_shape": (8, 8, 1), "num_classes": 3},
    "transformer": {
        "hidden_size": 16,
        "depth": 2,
        "num_heads": 2,
        "bottleneck": 4,
        "context_tokens": 2,
        "context_start": 1,
    },
    "diffusion": {"process": "linear", "weighting": "velocity"},
    "sampling": {"thresholding": "none", "guidance_interval": (0.01, 1e9)},
}


def sampled(denoise, steps=6) -> np.ndarray:
    """Pictures of three seeds, float32 [3, H, W, C]."""
    if denoise.num_classes:
        denoise = denoise.conditioned(tf.range(3) % denoise.num_classes)
    grid = denoise.schedule.grid(steps)
    return pdm.sample(denoise, pdm.DDPM(), grid, range(3), denoise.image_shape).numpy()


EXPORTED = (16, 16, 1)


def make_exported_run(directory: Path) -> str:
    """A run to export as another runtime's network: 4x4 patches, 3 classes."""
    run = make_run(
        directory,
        0,
        scale=0.1,
        network={"image_shape": EXPORTED, "patch_size": 4, "num_classes": 3},
        diffusion={"timesteps": 20, "beta_end": 0.6},
        sampling={"thresholding": "static"},
    )
    return str(run)


def make_reference(path: Path) -> str:
    """Noise of that shape, for distances to be taken from."""
    noise = np.random.default_rng(0).integers(0, 256, (20, *EXPORTED), np.uint8)
    np.savez(path, arr_0=noise)
    return str(path)
