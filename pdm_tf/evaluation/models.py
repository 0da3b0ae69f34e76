"""Pictures drawn on the fly from a SavedModel of `pdm_tf.export`."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.profiling.flops import count_denoise_flops
from pdm_tf.profiling.parameters import count_saved_parameters
from pdm_tf.serving import SavedSampler


def draw_labels(policy: str, num_classes: int, count: int, seed: int) -> np.ndarray:
    """Labels of pictures 0 … count - 1, int32 [count]; zeros without classes.

    Args:
      policy: "balanced" for all classes in turn, "uniform" for independent draws.
      num_classes: 0 for none.
      count: number of pictures.
      seed: of the draws.
    """
    if policy == "uniform" and num_classes:
        random = np.random.default_rng(seed)
        return random.integers(num_classes, size=count, dtype=np.int32)
    return np.arange(count, dtype=np.int32) % max(1, num_classes)


class Drawn:
    """Pictures drawn from a SavedModel, and a clock for them.

    Attributes:
      image_shape: (H, W, C) in pixels.

    Raises:
      InputError: no such SavedModel, or settings that it refuses.
    """

    def __init__(self, flag: str, directory: str, config: EvaluationConfig) -> None:
        self._config, self._model = config, SavedSampler(flag, directory)
        self.image_shape = self._model.image_shape
        self._sampler = config.sampler or self._model.samplers[0]
        self._model.check(self._sampler, config.steps)
        if not np.isfinite(config.guidance):
            raise InputError(
                f"--guidance={config.guidance}: give a finite number; 1 is none"
            )
        self._seconds, self._drawn = 0.0, 0
        # Counted now: nothing may fail once hours of pictures are drawn.
        denoise = self._model.signatures["denoise"]
        self._flops = count_denoise_flops(denoise, self.image_shape)
        told = self._model.description.get("parameters")
        self._parameters = told or count_saved_parameters(directory)

    def batches(self, count: int, batch_size: int) -> Iterator[np.ndarray]:
        """Pictures of seeds --seed … --seed + count - 1: uint8 [B, H, W, C]."""
        config, num_classes = self._config, self._model.num_classes
        labels = draw_labels(config.label_policy, num_classes, count, config.seed)
        seeds = config.seed + np.arange(count, dtype=np.int64)
        self._draw(seeds[:1], labels[:1], "1")  # off the clock
        for start in range(0, count, batch_size):
            rows = slice(start, start + batch_size)
            began = time.perf_counter()
            pictures = self._draw(seeds[rows], labels[rows], config.steps)
            self._seconds += time.perf_counter() - began
            self._drawn += len(pictures)
            yield pictures

    def _draw(self, seeds: np.ndarray, labels: np.ndarray, steps: str) -> np.ndarray:
        weight = self._config.guidance
        return self._model.draw(seeds, labels, steps, weight, self._sampler)

    def describe(self) -> dict[str, Any]:
        """How the pictures were drawn."""
        config = self._config
        told = {"label_policy": config.label_policy, "guidance": config.guidance}
        settings = {"sampler": self._sampler, "steps": config.steps}
        return {
            **settings,
            "seed": config.seed,
            **(told if self._model.num_classes else {"label_policy": "none"}),
        }

    def evaluations(self) -> int:
        """Evaluations of the network for one picture: twice as many under guidance."""
        config = self._config
        asked = self._model.evaluations(self._sampler, config.steps)
        return asked * (2 if self._model.num_classes and config.guidance != 1 else 1)

    def cost(self) -> dict[str, Any]:
        """What drawing took; None where it cannot be told."""
        evaluations = self.evaluations()
        rate = self._drawn / self._seconds if self._seconds else None
        return {
            "pictures": self._drawn,
            "evaluations_per_picture": evaluations,
            "seconds": self._seconds,
            "pictures_per_second": rate,
            "parameters": self._parameters,
            "flops_per_evaluation": self._flops,
            "flops_per_picture": self._flops and self._flops * evaluations,
        }
