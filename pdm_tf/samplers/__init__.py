"""From noise to pictures: one sampling loop, one file a paper.

Recording of trajectories loads on first use: it looks into networks, which need Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pdm_tf.samplers.ddim import DDIM, encode, fresh_share, invertible
from pdm_tf.samplers.ddpm import DDPM
from pdm_tf.samplers.dpm_solver import DPMSolver
from pdm_tf.samplers.heun import Heun
from pdm_tf.samplers.lcm import LCM
from pdm_tf.samplers.momentum import GHVB, HeavyBall
from pdm_tf.samplers.noise import NoiseSource, RecordedNoise, SeededNoise
from pdm_tf.samplers.plms import PLMS
from pdm_tf.samplers.sampler import (
    Sampler,
    evaluations,
    integrate,
    sample,
    sample_from,
    start,
)
from pdm_tf.samplers.shelf import SAMPLERS, SPACINGS, open_sampler, open_samplers

if TYPE_CHECKING:
    from pdm_tf.samplers.trajectories import Trajectory, record

__all__ = [
    "DDIM",
    "DDPM",
    "GHVB",
    "LCM",
    "PLMS",
    "SAMPLERS",
    "SPACINGS",
    "DPMSolver",
    "HeavyBall",
    "Heun",
    "NoiseSource",
    "RecordedNoise",
    "Sampler",
    "SeededNoise",
    "Trajectory",
    "encode",
    "evaluations",
    "fresh_share",
    "integrate",
    "invertible",
    "open_sampler",
    "open_samplers",
    "record",
    "sample",
    "sample_from",
    "start",
]


def __getattr__(name: str) -> Any:
    if name not in ("Trajectory", "record"):
        raise AttributeError(f"module 'pdm_tf.samplers' has no attribute {name!r}")
    return getattr(import_module("pdm_tf.samplers.trajectories"), name)
