"""A SavedModel of `pdm_tf.export`, opened: pictures from files alone.

Knows nothing of networks: whoever draws from an export or judges it stands above.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.config import InputError
from pdm_tf.diffusion import respacing

REMEDY = "write it again with python -m pdm_tf.export"
# What an export holds that was written before there was a choice.
ONLY = {"ddpm": {"spacing": "uniform", "evaluations": 1}}


class SavedSampler:
    """Draws pictures from a SavedModel.

    Attributes:
      description: what the export says of itself.
      signatures: its functions by name.
      image_shape: (H, W, C) in pixels.
      num_classes: classes that it can be told; 0 for none.
      timesteps: T, the most steps that it can take.
      samplers: names of the samplers in it, the one of `sample` first.

    Args:
      flag: the flag that names it, for messages.
      directory: where it lies.

    Raises:
      InputError: not such a SavedModel, or a damaged one.
    """

    def __init__(self, flag: str, directory: str) -> None:
        self._name = f"--{flag}={directory}"
        if not (Path(directory) / "saved_model.pb").is_file():
            raise InputError(
                f"{self._name}: no SavedModel there; give the export/ directory of a "
                "run, or write one with python -m pdm_tf.export"
            )
        try:
            self._model = tf.saved_model.load(directory)  # it owns the variables
        except Exception as error:  # damage shows in many kinds of errors
            reason = " ".join(str(error).split())[:120]
            raise InputError(
                f"{self._name}: not a SavedModel that loads ({reason}); {REMEDY}"
            ) from error
        self.signatures = self._model.signatures
        if not {"sample", "sample_at", "denoise", "config"} <= set(self.signatures):
            raise InputError(
                f"{self._name}: the SavedModel was not written by this version of "
                f"pdm_tf; {REMEDY}"
            )
        told = self.signatures["config"]()["config"].numpy()
        self.description: dict[str, Any] = json.loads(told)
        self.image_shape = tuple(int(side) for side in self.description["image_shape"])
        self.num_classes = int(self.description["num_classes"])
        self.timesteps = int(self.description["timesteps"])
        self._walks = self.description.get("samplers", ONLY)
        self.samplers = tuple(self._walks)

    def check(self, sampler: str, steps: str) -> None:
        """Raises InputError for a sampler that is not there, or steps beyond T."""
        if sampler not in self.samplers:
            raise InputError(
                f"--sampler={sampler}: the SavedModel holds "
                f"{', '.join(self.samplers)}; choose one of them, or export again with "
                "python -m pdm_tf.export --sampler=…"
            )
        respacing.spread(self.timesteps, steps)

    def evaluations(self, sampler: str, steps: str) -> int:
        """Evaluations of the model for one picture, guidance not counted."""
        visited = len(respacing.spread(self.timesteps, steps))
        return self._walks[sampler]["evaluations"] * (visited - 1) + 1

    def draw(
        self,
        seeds: np.ndarray,
        labels: np.ndarray,
        steps: str,
        guidance: float,
        sampler: str,
    ) -> np.ndarray:
        """Pictures, each a function of its own seed.

        Args:
          seeds: int32 [N].
          labels: int32 [N]; not looked at without classes.
          steps: a number, spaced as suits the sampler; sections such as
            90,60,60,20,20 and ddimN are evenly spaced in t.
          guidance: w.
          sampler: one of `samplers`.

        Returns:
          uint8 [N, H, W, C].

        Raises:
          InputError: see `check`; or the SavedModel draws something else.
        """
        self.check(sampler, steps)
        name, where = self._request(sampler, steps)
        drawn = self.signatures[name](
            seeds=tf.constant(seeds, tf.int32),
            labels=tf.constant(labels, tf.int32),
            guidance=tf.constant(guidance, tf.float32),
            **where,
        )
        pictures = drawn["images"].numpy()
        shape = (len(seeds), *self.image_shape)
        if pictures.dtype != np.uint8 or pictures.shape != shape:
            raise InputError(
                f"{self._name}: draws {pictures.dtype} {pictures.shape}, not uint8 "
                f"{shape}; {REMEDY}"
            )
        return pictures

    def _request(self, sampler: str, steps: str) -> tuple[str, dict[str, tf.Tensor]]:
        """The signature to ask, and what tells it the levels to visit."""
        end = "" if sampler == self.samplers[0] else f"_{sampler}"
        if steps.isdecimal():
            return f"sample{end}", {"steps": tf.constant(int(steps), tf.int32)}
        visited = respacing.spread(self.timesteps, steps)[::-1]
        return f"sample_at{end}", {"timesteps": tf.constant(visited, tf.int32)}
