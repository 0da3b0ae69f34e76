"""Samplers made of a sampler: each says only what its step does besides."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from pdm_tf.samplers.sampler import Sampler


@dataclass(frozen=True, eq=False)
class SamplerWrapper:
    """Starts as the sampler does, and solves no ordinary differential equation.

    Attributes:
      sampler: whose steps are changed.
    """

    sampler: Sampler

    @property
    def convergence_order(self) -> int | None:
        return None

    def init(self, z: tf.Tensor) -> Any:
        return self.sampler.init(z)
