"""A model as the page uses it: it draws, it edits, and says what it is."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.assemble.editing import open_editor
from pdm_tf.assemble.generators import open_generator
from pdm_tf.config import WebConfig
from pdm_tf.config.sampling import BEST
from pdm_tf.data.labels import name_of
from pdm_tf.editing.tasks import Model
from pdm_tf.errors import SettingError
from pdm_tf.evaluation.model_cost import bytes_of
from pdm_tf.inverse.circuits.files import read_circuit
from pdm_tf.serving.generator import ImageGenerator, choose_sampler

IN_TURN = "all in turn"
NO_CLASS = "no class"


@dataclass(frozen=True)
class Limits:
    """What a visitor may ask for at most."""

    pictures: int = WebConfig.max_pictures
    steps: int = WebConfig.max_steps

    def check(self, count: float, steps: float) -> tuple[int, int]:
        """Both as whole numbers.

        Raises:
          SettingError: too many, or none.
        """
        for name, given, most in (
            ("pictures", count, self.pictures),
            ("steps", steps, self.steps),
        ):
            if not given or int(given) != given or not 1 <= given <= most:
                raise SettingError(name, given, f"choose from 1 to {most}")
        return int(count), int(steps)


@dataclass(frozen=True)
class Tried:
    """A model that visitors try.

    Attributes:
      path: as it was named.
      generator: draws with it.
      trust: whether an export may hold any operations.
      circuit: directory of a circuit of its pictures, for tiramisu; empty: none.
    """

    path: str
    generator: ImageGenerator
    trust: bool = False
    circuit: str = ""

    @cached_property
    def editor(self) -> Model:
        """What edits with it; opened when it is first needed."""
        return open_editor(self.path, self.trust)[0]

    @property
    def name(self) -> str:
        """As it was named, of a directory without those above it."""
        return self.path if ":" in self.path else Path(self.path).name

    @property
    def names(self) -> list[str]:
        """What a visitor may choose for a class; empty without classes."""
        classes = self.generator.num_classes
        given = tuple(self.generator.description.get("class_names") or ())
        named = [name_of(label, given) for label in range(classes)]
        return [IN_TURN, *named, NO_CLASS] if classes else []

    def labels(self, chosen: str | None, count: int) -> np.ndarray:
        """The label of each picture, int32 [count].

        Raises:
          SettingError: the model has no such class.
        """
        classes = self.generator.num_classes
        if not classes:
            return np.zeros(count, np.int32)
        if chosen in (None, "", IN_TURN):
            return np.arange(count, dtype=np.int32) % classes
        if chosen not in self.names:
            raise SettingError("class", chosen, "the model has no such class")
        return np.full(count, self.names.index(str(chosen)) - 1, np.int32)

    @property
    def usual(self) -> tuple[str, int]:
        """The sampler and steps that suit it."""
        sampler, steps = choose_sampler(self.generator, "", "", BEST)
        return sampler, int(steps)

    @property
    def about(self) -> str:
        """What it is, in one line."""
        said: dict[str, Any] = self.generator.description
        height, width, channels = self.generator.image_shape
        kind = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
        words = [f"{width} by {height} pixels, {kind}"]
        if self.generator.num_classes:
            words.append(f"{self.generator.num_classes} classes")
        if said.get("parameters"):
            words.append(f"{said['parameters']:,} parameters")
        if methods := [entry.get("method", "") for entry in said.get("lineage") or ()]:
            words.append("made by " + ", then ".join(methods))
        return "; ".join(words)

    @property
    def megabytes(self) -> float | None:
        """Size of the weights [MB]; None where it does not say."""
        found = bytes_of(self.generator, self.path)
        return None if found is None else found / 1e6


def open_tried(setting: str, path: str, trust: bool, circuit: str = "") -> Tried:
    """Opens a model.

    Args:
      setting: the setting that names it, for messages.
      path: see `assemble.open_generator`.
      trust: whether an export may hold any operations.
      circuit: directory of a circuit of its pictures; empty: none.

    Raises:
      InputError: no model or circuit, a damaged one, or of other pictures.
    """
    generator = open_generator(setting, path, trust)
    if circuit:
        read_circuit(circuit, generator.image_shape)
    return Tried(path, generator, trust, circuit)
