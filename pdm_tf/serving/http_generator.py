"""Pictures from a model that TensorFlow Serving holds, by its REST interface."""

import base64
import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.config.conditioning import read_conditions
from pdm_tf.config.sampling import GUIDANCE
from pdm_tf.data.condition_rows import as_rows
from pdm_tf.data.decoding import opened_picture
from pdm_tf.data.images import read_picture
from pdm_tf.diffusion import respacing
from pdm_tf.errors import InputError, SettingError
from pdm_tf.serving.description import read_description
from pdm_tf.serving.generator import Steps

TIMEOUT = 600.0  # seconds that a request may take
_LARGEST = 2**31  # bytes of an answer
_SHOWN = 200  # letters of what a server says
_READ = (1, 3)  # channels of pictures that are read back from PNG


def is_served(path: str | Path) -> bool:
    """Whether a model is named by an address, and not by a place on disk."""
    return str(path).startswith(("http://", "https://"))


class HttpGenerator:
    """Generates pictures with a model that TensorFlow Serving holds.

    Attributes: see `ImageGenerator`, with the sampler of `sample` first.

    Args:
      setting: the setting that names it, for messages.
      address: of the model, such as http://localhost:8501/v1/models/pdm, which a
        version may follow: …/versions/3.
      timeout: seconds after which a request is given up.

    Raises:
      InputError: nobody answers there, or what is served is no export of pdm_tf.
    """

    def __init__(self, setting: str, address: str, timeout: float = TIMEOUT) -> None:
        self._named, self._timeout = (setting, address), timeout
        self._url = address.rstrip("/") + ":predict"
        texts = self._predict("config_rows", {"rows": [0]})
        try:
            (text,) = texts
            self.description = read_description(text)
        except (InputError, TypeError, ValueError) as error:
            raise self._refused(f"serves no export of pdm_tf ({error})") from None
        if not self.description.get("digest"):
            self.description["digest"] = hashlib.sha256(text.encode()).hexdigest()
        self.image_shape = tuple(self.description["image_shape"])
        self.num_classes = self.description["num_classes"]
        self.timesteps = self.description["timesteps"]
        sampling = self.description.get("sampling", {})
        self.guidance = float(sampling.get("sample_guidance", GUIDANCE))
        self._costs: dict[str, Any] = self.description["samplers"]
        self.samplers: tuple[str, ...] = tuple(self._costs)

    def _refused(self, remedy: str) -> SettingError:
        return SettingError(*self._named, remedy)

    def check(self, sampler: str, steps: Steps) -> None:
        """Raises SettingError for a sampler that is not there, or steps beyond T."""
        if sampler not in self.samplers:
            names = ", ".join(self.samplers)
            raise SettingError("sampler", sampler, f"the server's model holds {names}")
        respacing.spread(self.timesteps, str(steps))

    def evaluations(self, sampler: str, steps: Steps) -> int:
        """Evaluations of the model for one picture, guidance not counted."""
        visited = len(respacing.spread(self.timesteps, str(steps)))
        return self._costs[sampler]["evaluations"] * (visited - 1) + 1

    def generate(
        self,
        seeds: np.ndarray,
        labels: np.ndarray,
        steps: Steps,
        guidance: float,
        sampler: str,
    ) -> np.ndarray:
        """Pictures, uint8 [N, H, W, C]; see `ImageGenerator.generate`.

        Raises:
          InputError: see `check`; or the server refuses, or answers something else.
        """
        self.check(sampler, steps)
        end = "" if sampler == self.samplers[0] else f"_{sampler}"
        labels = as_rows(read_conditions(self.description), labels)
        rows: dict[str, Any] = {"seeds": seeds.tolist(), "labels": labels.tolist()}
        if not str(steps).isdecimal():
            visited = respacing.spread(self.timesteps, str(steps))[::-1]
            levels = {"timesteps": np.asarray(visited).tolist()}
            inputs = rows | levels | {"guidance": float(guidance)}
            made = self._predict(f"sample_at{end}", inputs)
        else:
            rows["steps"] = [int(steps)] * len(seeds)
            rows["guidance"] = [float(guidance)] * len(seeds)
            as_png = self.image_shape[2] in _READ
            name = "sample_png" if as_png else "sample_rows"
            made = self._predict(f"{name}{end}", rows)
        return self._pictures(made, len(seeds))

    def _pictures(self, made: Any, count: int) -> np.ndarray:
        """What was answered as pictures: files of PNG, or nested lists of bytes."""
        shape = (count, *self.image_shape)
        try:
            if made and isinstance(made[0], dict):
                files = [
                    base64.b64decode(entry["b64"], validate=True) for entry in made
                ]
                made = [self._decoded(file) for file in files]
            pictures = np.asarray(made, np.uint8).reshape(len(made), *self.image_shape)
        except (InputError, TypeError, ValueError, KeyError, OverflowError) as error:
            raise self._refused(f"answers no pictures ({error})"[:_SHOWN]) from None
        if pictures.shape != shape:
            raise self._refused(f"answers {len(made)} pictures, {count} were asked for")
        return pictures

    def _decoded(self, file: bytes) -> np.ndarray:
        height, width, _ = self.image_shape
        with opened_picture(file) as image:
            if image.size != (width, height):
                raise InputError(f"one of {image.size[0]} by {image.size[1]} pixels")
        return read_picture(file, self.image_shape)

    def _predict(self, signature: str, inputs: Mapping[str, Any]) -> Any:
        """The one output of a signature, in the format of columns."""
        body = {"signature_name": signature, "inputs": dict(inputs)}
        request = urllib.request.Request(
            self._url,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                content = answer.read(_LARGEST)
        except urllib.error.HTTPError as error:
            raise self._refused(f"answers {_said_in(error)}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise self._refused(
                f"no answer ({reason}); is TensorFlow Serving running there, with "
                "its REST interface? See docs/serving.md"
            ) from None
        try:
            return json.loads(content)["outputs"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._refused("answers what TensorFlow Serving does not") from None


def _said_in(error: urllib.error.HTTPError) -> str:
    """What a server refuses, in one line."""
    content = error.read(_LARGEST)
    try:
        text = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        text = content.decode("utf-8", "replace")
    return f"{error.code}: {' '.join(text.split())[:_SHOWN]}"
