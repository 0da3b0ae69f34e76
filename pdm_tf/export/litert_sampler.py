"""Samples with a network that LiteRT computes, by the one loop."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pdm_tf.config import InputError, SamplingConfig
from pdm_tf.denoisers.callback import CallbackDenoiser, Evaluate
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.diffusion import NoiseSchedule, respacing
from pdm_tf.export.requests import sample_signatures
from pdm_tf.export.saved_model import open_samplers
from pdm_tf.litert import open_file
from pdm_tf.profiling.parameters import count_parameters
from pdm_tf.samplers import SAMPLERS, SPACINGS


def describe(denoiser: Denoiser, sampling: SamplingConfig, record: str) -> dict:
    """All that sampling needs to know of a model beside the file, for its report."""
    schedule = denoiser.schedule
    told: dict[str, Any] = {
        "timesteps": schedule.timesteps,
        "beta_end": schedule.betas[-1],
    }
    assert NoiseSchedule.linear(**told) == schedule
    return {
        "parameters": count_parameters(denoiser.variables),
        "image_shape": list(denoiser.image_shape),
        "num_classes": denoiser.num_classes,
        "schedule": told,
        "sampling": asdict(sampling),
        "record": record,
    }


class DenoiserSampler:
    """Draws pictures with a denoiser, as a SavedModel would, by any sampler.

    Attributes:
      samplers: names of the samplers.
      num_classes: classes that it can be told; 0 for none.

    Args:
      denoiser: what is asked.
      sampling: thresholding, guidance interval and variance.
    """

    samplers = tuple(SAMPLERS)

    def __init__(self, denoiser: Denoiser, sampling: SamplingConfig) -> None:
        self.denoiser, self.num_classes = denoiser, denoiser.num_classes
        self._sampling = sampling
        self._walks: dict[str, tuple] = {}

    def check(self, sampler: str, steps: str) -> None:
        """Raises InputError for a sampler that is not there, or steps beyond T."""
        open_samplers([sampler], self._sampling.variance)
        respacing.spread(self.denoiser.schedule.timesteps, steps)

    def draw(
        self,
        seeds: np.ndarray,
        labels: np.ndarray,
        steps: str,
        guidance: float,
        sampler: str,
    ) -> np.ndarray:
        """Pictures, uint8 [N, H, W, C]; see `SavedSampler.draw`."""
        self.check(sampler, steps)
        if steps.isdecimal():
            by_steps, _ = self._walk(sampler)
            return by_steps(seeds, labels, int(steps), guidance)["images"].numpy()
        visited = respacing.spread(self.denoiser.schedule.timesteps, steps)[::-1]
        return self.visit(seeds, labels, visited, guidance, sampler)

    def visit(
        self,
        seeds: Sequence[int] | np.ndarray,
        labels: Sequence[int] | np.ndarray,
        timesteps: Sequence[int],
        guidance: float,
        sampler: str,
    ) -> np.ndarray:
        """Pictures of a trajectory through these timesteps, which fall."""
        _, at = self._walk(sampler)
        return at(seeds, labels, timesteps, guidance)["images"].numpy()

    def _walk(self, name: str) -> tuple:
        if name not in self._walks:
            sampler = open_samplers([name], self._sampling.variance)[name]
            self._walks[name] = sample_signatures(
                self.denoiser, self._sampling, sampler, SPACINGS[name]
            )
        return self._walks[name]


def callback_denoiser(ask: Evaluate, model: dict[str, Any]) -> CallbackDenoiser:
    """The denoiser of a model that `describe` tells of, asked through a function."""
    return CallbackDenoiser(
        ask,
        tuple(model["image_shape"]),
        model["num_classes"],
        NoiseSchedule.linear(**model["schedule"]),
    )


class LitertSampler(DenoiserSampler):
    """Draws pictures with a .tflite file of `python -m pdm_tf.export`.

    Attributes:
      description: what the report says of its model.

    Args:
      flag: the flag that names it, for messages.
      path: where it lies.

    Raises:
      InputError: not such a file, see `litert.open_file`.
    """

    def __init__(self, flag: str, path: str) -> None:
        network, self.description = open_file(flag, path)
        try:
            sampling = SamplingConfig(**self.description["sampling"])
            denoiser = callback_denoiser(network, self.description)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"--{flag}={path}: not written by this version of pdm_tf; write it "
                "again with python -m pdm_tf.export --format=litert"
            ) from error
        super().__init__(denoiser, sampling)
