"""The classes of a source: their names, their order, and whether they are wanted."""

import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from pdm_tf.data.reading import InMemory, OnDemand
from pdm_tf.errors import SettingError, printable

AnySource = TypeVar("AnySource")
_NUMBERED = re.compile(r"(\D*)(\d+)(\D*)", re.ASCII)


def check_classes(dataset: str, num_classes: int, class_names: tuple[str, ...]) -> None:
    """Accepts the source's own number of classes, and 0 from whom they do not matter.

    Args:
      dataset: name of the source, for the message.
      num_classes: the setting.
      class_names: what the source has.

    Raises:
      InputError: neither 0 nor the source's own number.
    """
    count = len(class_names)
    if num_classes in (0, count):
        return
    if count == 0:
        raise SettingError(
            "num_classes", num_classes, f"{dataset} has no classes; set `num_classes=0`"
        )
    names = ", ".join(class_names[:5]) + (", …" if count > 5 else "")
    raise SettingError(
        "num_classes",
        num_classes,
        f"{dataset} has {count} classes ({names}); set `num_classes={count}`, or 0 to "
        "leave the classes aside",
    )


def class_name(folder: str) -> str:
    """The name of a class that a folder stands for: one line, without blank ends.

    Data sets keep a name a line, which a name with a line end would break in two.
    """
    name = printable(folder)
    start, end = len(name) - len(name.lstrip()), len(name.rstrip())
    if not name[start:end]:
        return "\\x20" * len(name)
    return "\\x20" * start + name[start:end] + "\\x20" * (len(name) - end)


def ordered_classes(dataset: str, folders: Iterable[str]) -> dict[str, str]:
    """The folders of classes in the order of their labels, each with its class's name.

    Numbered folders, as 2 and 10 or class_2 and class_10, come in the order of their
    numbers, others sorted by name.

    Raises:
      SettingError: two folders whose names look the same on a screen.
    """
    found = sorted(set(folders))
    parts = [_NUMBERED.fullmatch(folder) for folder in found]
    around = {(part[1], part[3]) if part else None for part in parts}
    if len(around) == 1 and None not in around:
        found.sort(key=_number)
    names = {folder: class_name(folder) for folder in found}
    if len(set(names.values())) < len(names):
        twice = next(n for n in names.values() if list(names.values()).count(n) > 1)
        raise SettingError(
            "dataset", dataset, f"two of its classes are called {twice}; rename one"
        )
    return names


def _number(folder: str) -> tuple[int, str, str]:
    """What orders numbered folders; as text, which may have any number of digits."""
    digits = "".join(re.findall(r"[0-9]", folder)).lstrip("0")
    return len(digits), digits, folder


def tell_order(dataset: str, class_names: tuple[str, ...]) -> None:
    """Says which labels numbered folders have, where that is not their number."""
    if not class_names or not all(re.fullmatch(r"\d+", name) for name in class_names):
        return
    if [str(label) for label in range(len(class_names))] == list(class_names):
        return
    shown = [f"{label} is {name}" for label, name in enumerate(class_names)]
    if len(shown) > 5:
        shown[3:-1] = ["…"]
    print(
        f"{printable(dataset)}: labels in the order of the folders' numbers: "
        + ", ".join(shown),
        file=sys.stderr,
    )


def relabelled(source: AnySource, class_names: tuple[str, ...]) -> AnySource:
    """A folder with the labels that a run gave to its classes, if they are the same.

    Runs of version 0.1 took numbered folders in the order of text: 1, 10, 2.
    """
    if (
        not isinstance(source, InMemory | OnDemand)
        or not source.name.startswith("folder:")
        or source.class_names == class_names
        or sorted(source.class_names) != sorted(class_names)
    ):
        return source
    label = {name: number for number, name in enumerate(class_names)}
    of = np.array([label[name] for name in source.class_names], np.int32)
    return replace(source, labels=of[source.labels], class_names=class_names)
