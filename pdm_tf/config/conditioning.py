"""What a network is conditioned on beside one class: several labels, attributes."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdm_tf.config.options import option
from pdm_tf.errors import SettingError

CLASSES = "classes"  # what the labels of a picture are called among its conditions


@dataclass(frozen=True, kw_only=True)
class ConditioningConfig:
    """Conditions of pictures that are more than one class each."""

    several_labels: bool = option(
        False,
        "A picture may have several of --num_classes labels, or none; they stand in a "
        "metadata.csv or dataset.json beside the pictures.",
        sealed="run",
    )
    attributes: tuple[str, ...] = option(
        (),
        "Numbers that pictures are conditioned on, columns of the metadata.csv or "
        "dataset.json beside them: names, each with the least and the largest value "
        "where these are not 0 and 1, as age:0:100,smiling.",
        sealed="run",
    )


@dataclass(frozen=True)
class Attribute:
    """A number that pictures are conditioned on, from `low` to `high`."""

    name: str
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Conditions:
    """What the rows hold that a model is conditioned on, float32 [B, size].

    First one column a class, 1 where a picture has it and 0 where not; then one column
    an attribute, in its own unit. NaN is for what is not known: of an attribute by
    itself, of the classes all together.

    Attributes:
      num_classes: columns of classes; 0 for none.
      several: whether a picture may have several labels.
      attributes: what the other columns are.
    """

    num_classes: int
    several: bool
    attributes: tuple[Attribute, ...]

    @property
    def size(self) -> int:
        """Columns of a row."""
        return self.num_classes + len(self.attributes)

    @property
    def parts(self) -> dict[str, slice]:
        """The columns of each condition, by its name: what can be left out alone."""
        first = self.num_classes
        classes = {CLASSES: slice(0, first)} if first else {}
        return classes | {
            one.name: slice(first + i, first + i + 1)
            for i, one in enumerate(self.attributes)
        }

    def describe(self) -> dict[str, Any]:
        """Plain data that `read_conditions` reads."""
        return {
            "num_classes": self.num_classes,
            "several": self.several,
            "attributes": [[one.name, one.low, one.high] for one in self.attributes],
        }


def read_conditions(description: Mapping[str, Any]) -> Conditions | None:
    """The conditions that a model's description tells of; None for a class or none."""
    said = description.get("conditions")
    if said is None:
        return None
    attributes = tuple(Attribute(*one) for one in said["attributes"])
    return Conditions(said["num_classes"], said["several"], attributes)


def conditions_of(settings: Any) -> Conditions | None:
    """The conditions of a network's settings; None where there is one class or none.

    Raises:
      SettingError: attributes that make no sense, or several labels of no class.
    """
    if not settings.several_labels and not settings.attributes:
        return None
    if settings.several_labels and not settings.num_classes:
        raise SettingError(
            "several_labels", True, "give the number of labels, `num_classes`"
        )
    attributes = read_attributes(settings.attributes)
    return Conditions(settings.num_classes, settings.several_labels, attributes)


def read_attributes(given: Sequence[str]) -> tuple[Attribute, ...]:
    """Attributes as NAME or NAME:LOW:HIGH.

    Raises:
      SettingError: no such range, or a name twice.
    """
    found: dict[str, Attribute] = {}
    for text in given:
        name, *ends = text.split(":")
        try:
            low, high = map(float, ends) if ends else (0.0, 1.0)
        except ValueError:
            low, high = 0.0, 0.0
        if not name or not -math.inf < low < high < math.inf:
            remedy = "give names, each with its least and largest value: age:0:100"
            raise SettingError("attributes", text, remedy)
        if name in (*found, CLASSES) or "=" in name:
            remedy = f"each needs a name of its own, without =, and not {CLASSES}"
            raise SettingError("attributes", text, remedy)
        found[name] = Attribute(name, low, high)
    return tuple(found.values())


def read_values(
    setting: str, given: Sequence[str], names: Sequence[str]
) -> dict[str, list[float]]:
    """Values as NAME=NUMBER, or NAME=NUMBER/NUMBER/… for pictures in turn.

    Args:
      setting: that gives them, for messages.
      given: one text a name.
      names: of the model's conditions.

    Raises:
      SettingError: another name, or no number.
    """
    found = {}
    for text in given:
        name, _, values = text.partition("=")
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            known = f"did you mean {close[0]}?" if close else f"it has {_listed(names)}"
            remedy = f"the model has no condition {name}; {known}"
            raise SettingError(setting, text, remedy)
        try:
            found[name] = [float(value) for value in values.split("/")]
        except ValueError:
            found[name] = [math.nan]
        if not all(map(math.isfinite, found[name])):
            raise SettingError(setting, text, "give finite numbers, as age=0.3")
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
