"""Pictures drawn on the fly from a SavedModel of `pdm_tf.export`."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.diffusion.respacing import spread
from pdm_tf.evaluation.cost import count_flops, count_parameters


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


def count_evaluations(steps: int, num_classes: int, guidance: float) -> int:
    """Evaluations of the network for one picture: two a step under guidance."""
    return steps * (2 if num_classes and guidance != 1 else 1)


class SavedSampler:
    """A SavedModel, opened, and a clock for the pictures it draws.

    Attributes:
      image_shape: (H, W, C) in pixels.
      num_classes: classes it can be told; 0 for none.

    Raises:
      InputError: no such SavedModel, or settings that it refuses.
    """

    def __init__(self, flag: str, directory: str, config: EvaluationConfig) -> None:
        self._config = config
        self._name = f"--{flag}={directory}"
        try:
            self._model = tf.saved_model.load(directory)  # it owns the variables
        except Exception as error:  # damage shows in many kinds of errors
            reason = " ".join(str(error).split())[:120]
            raise InputError(
                f"{self._name}: not a SavedModel that loads ({reason}); write it "
                "again with python -m pdm_tf.export"
            ) from error
        signatures = self._model.signatures
        if not {"sample_at", "denoise", "config"} <= set(signatures):
            raise InputError(
                f"{self._name}: the SavedModel was not written by this version "
                "of pdm_tf; write it again with python -m pdm_tf.export"
            )
        description = json.loads(signatures["config"]()["config"].numpy())
        self.image_shape = tuple(int(side) for side in description["image_shape"])
        self.num_classes = int(description["num_classes"])
        self._sample, self._seconds, self._drawn = signatures["sample_at"], 0.0, 0
        self._visited = spread(int(description["timesteps"]), config.steps)[::-1]
        if not np.isfinite(config.guidance):
            raise InputError(
                f"--guidance={config.guidance}: give a finite number; 1 is none"
            )
        # Counted now: nothing may fail once hours of pictures are drawn.
        self._flops = count_flops(signatures["denoise"], self.image_shape)
        self._parameters = count_parameters(Path(directory))

    def batches(self, count: int, batch_size: int) -> Iterator[np.ndarray]:
        """Pictures of seeds --seed … --seed + count - 1: uint8 [B, H, W, C]."""
        config = self._config
        labels = draw_labels(config.label_policy, self.num_classes, count, config.seed)
        seeds = config.seed + np.arange(count, dtype=np.int64)
        self._draw(seeds[:1], labels[:1], self._visited[-1:])  # off the clock
        for start in range(0, count, batch_size):
            rows = slice(start, start + batch_size)
            began = time.perf_counter()
            pictures = self._draw(seeds[rows], labels[rows], self._visited)
            self._seconds += time.perf_counter() - began
            self._drawn += len(pictures)
            yield pictures

    def _draw(
        self, seeds: np.ndarray, labels: np.ndarray, visited: list[int]
    ) -> np.ndarray:
        drawn = self._sample(
            seeds=tf.constant(seeds, tf.int32),
            labels=tf.constant(labels, tf.int32),
            timesteps=tf.constant(visited, tf.int32),
            guidance=tf.constant(self._config.guidance, tf.float32),
        )
        pictures = drawn["images"].numpy()
        shape = (len(seeds), *self.image_shape)
        if pictures.dtype != np.uint8 or pictures.shape != shape:
            raise InputError(
                f"{self._name}: draws {pictures.dtype} {pictures.shape}, not uint8 "
                f"{shape}; write it again with python -m pdm_tf.export"
            )
        return pictures

    def describe(self) -> dict[str, Any]:
        """How the pictures were drawn."""
        config = self._config
        told = {"label_policy": config.label_policy, "guidance": config.guidance}
        settings = {"steps": config.steps, "seed": config.seed}
        return {**settings, **(told if self.num_classes else {"label_policy": "none"})}

    def cost(self) -> dict[str, Any]:
        """What drawing took; None where it cannot be told."""
        evaluations = count_evaluations(
            len(self._visited), self.num_classes, self._config.guidance
        )
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
