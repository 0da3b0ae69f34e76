"""Pictures from a denoiser in Python, as its export would give them."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.config import SamplingConfig
from pdm_tf.config.sampling import check_guidance
from pdm_tf.denoisers.conditioning import as_labels
from pdm_tf.denoisers.counted import counted
from pdm_tf.denoisers.denoiser import Denoiser, timesteps_of
from pdm_tf.diffusion import respacing
from pdm_tf.errors import SettingError
from pdm_tf.samplers import SAMPLERS, SPACINGS, evaluations, open_samplers
from pdm_tf.serving.description import describe
from pdm_tf.serving.generator import Steps
from pdm_tf.serving.signatures import sample_signatures


class DenoiserGenerator:
    """Generates pictures with a denoiser, by any sampler on the shelf.

    Attributes: see `ImageGenerator`; and
      denoiser: the model.
      evaluated: evaluations that have ended in the call of `generate` now running.

    Args:
      denoiser: the model.
      sampling: thresholding, guidance interval and variance; None: the defaults.
      description: what is known of it; None: what it tells itself.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        sampling: SamplingConfig | None = None,
        description: dict[str, Any] | None = None,
    ) -> None:
        self.denoiser, self._sampling = denoiser, sampling or SamplingConfig()
        self.image_shape: tuple[int, ...] = tuple(denoiser.image_shape)
        self.num_classes, self.samplers = denoiser.num_classes, tuple(SAMPLERS)
        if description is not None:
            self.description = description
        self.guidance = self._sampling.sample_guidance
        self.evaluated = 0
        self._signatures: dict[str, tuple[Callable, Callable]] = {}

    @cached_property
    def description(self) -> dict[str, Any]:
        """What the denoiser tells of itself, where nothing more is known."""
        return describe(self.denoiser, self._sampling)

    @property
    def sampling(self) -> SamplingConfig:
        """Thresholding, guidance interval and variance."""
        return self._sampling

    def check(self, sampler: str, steps: Steps) -> None:
        """Raises SettingError for a sampler that does not exist, or steps beyond T, or
        timesteps that the model is not made for."""
        open_samplers([sampler], self._sampling.variance)
        visited, taken = set(self._timesteps(steps)), timesteps_of(self.denoiser)
        if taken is None:
            return
        if str(steps).isdecimal():
            grid = self.denoiser.schedule.grid(int(steps), SPACINGS[sampler])
            visited = set(grid.t.numpy().tolist())
        if not visited <= taken:
            own = self._sampling.sample_steps
            remedy = f"the model is made for other timesteps; give {own} steps of ddim"
            raise SettingError("steps", steps, remedy)

    def evaluations(self, sampler: str, steps: Steps) -> int:
        """Evaluations of the model for one picture, guidance not counted."""
        each = evaluations(open_samplers([sampler], self._sampling.variance)[sampler])
        return each * (len(self._timesteps(steps)) - 1) + 1

    def generate(
        self,
        seeds: np.ndarray,
        labels: np.ndarray,
        steps: Steps,
        guidance: float,
        sampler: str,
    ) -> np.ndarray:
        """Pictures, uint8 [N, H, W, C]; see `ImageGenerator.generate`."""
        self.check(sampler, steps)
        check_guidance(self.denoiser.guidance_range, guidance)
        self.evaluated = 0
        in_steps, at_timesteps = self._opened(sampler)
        rows = tf.constant(seeds, tf.int32), as_labels(self.denoiser, labels)
        if str(steps).isdecimal():
            return in_steps(*rows, int(steps), guidance)["images"].numpy()
        visited = self._timesteps(steps)[::-1]
        return at_timesteps(*rows, visited, guidance)["images"].numpy()

    def _timesteps(self, steps: Steps) -> list[int]:
        return respacing.spread(self.denoiser.schedule.timesteps, str(steps))

    def _count(self) -> None:
        self.evaluated += 1

    def _opened(self, name: str) -> tuple[Callable, Callable]:
        """The functions of a sampler, made on first use."""
        if name not in self._signatures:
            scale = self.denoiser.schedule.noise_scale
            sampler = open_samplers([name], self._sampling.variance, scale)[name]
            self._signatures[name] = sample_signatures(
                counted(self.denoiser, self._count),
                self._sampling,
                sampler,
                SPACINGS[name],
            )
        return self._signatures[name]
