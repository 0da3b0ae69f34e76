"""What a network reads on its way to pictures, for ranges that are fixed beforehand."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pdm_tf.config import ExportConfig, SamplingConfig
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.export.quantising import Example
from pdm_tf.quantization.calibration import Rows, calibration_rows
from pdm_tf.quantization.deriving import network_of


def rows_for_export(
    denoiser: Denoiser, sampling: SamplingConfig, config: ExportConfig
) -> list[Rows]:
    """Rows of each network of a model, on trajectories that it takes itself.

    In a few pictures some channels grow to three times what is usual: ranges that have
    not seen them cut off more than all rounding does (docs/int8.md), so that it is
    pictures that count, and steps less.

    Args:
      denoiser: the float32 model.
      sampling: how it samples.
      config: how many pictures, and steps of each, or as many as there are timesteps.

    Raises:
      SettingError: no pictures, or no steps.
      InputError: innermost denoisers that are no networks.
    """
    denoiser.map_innermost(network_of)
    steps = min(config.calibration_steps, denoiser.schedule.timesteps)
    return calibration_rows(denoiser, sampling, config.calibration_images, steps)


def examples_of(
    rows: Sequence[Rows], schedule: NoiseSchedule, count: int
) -> list[Example]:
    """Inputs of the `denoise` signature, of one evaluation each.

    Args:
      rows: of all networks.
      schedule: of the model.
      count: how many are drawn from all rows; all of them where there are fewer.
    """
    whole = Rows(*(np.concatenate(values) for values in zip(*rows, strict=True)))
    size = len(whole.t)
    chosen = np.random.default_rng(0).choice(size, min(count, size), replace=False)
    examples: list[Example] = []
    for i in np.sort(chosen):
        row = whole.taken(np.array([i]))
        z, t = _as_asked(schedule, row.z, row.t)
        examples.append({"z": z, "t": t, "labels": row.labels})
    return examples


def _as_asked(
    schedule: NoiseSchedule, z: np.ndarray, t: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """z and timesteps as the `denoise` signature takes them."""
    level = schedule.level(t)
    time = schedule.time(level).numpy() if schedule.continuous else t
    return schedule.as_trained(tf.constant(z), level).numpy(), time
