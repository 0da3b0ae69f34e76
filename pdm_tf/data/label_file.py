"""dataset.json, in which the dataset tools of StyleGAN, EDM and EDM2 keep labels.

{"labels": [["00000/img00000000.png", 6], …]}, or {"labels": null} without classes. The
numbered folders of such a data set only divide its files, and are no classes.
https://github.com/NVlabs/edm
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from pdm_tf.errors import SettingError, printable

LABEL_FILE = "dataset.json"
MAX_BYTES = 2**28
_MOST = 100_000  # classes


class Labels:
    """The labels of pictures, by their paths.

    Attributes:
      class_names: "0", "1", … as many as the largest label says.
    """

    def __init__(self, by_path: dict[str, int]) -> None:
        self._by_path = by_path
        count = max(by_path.values(), default=-1) + 1
        self.class_names = tuple(map(str, range(count)))

    def of(self, files: Sequence[str], refuse: Callable[[str], SettingError]) -> list:
        """The label of each file.

        Raises:
          SettingError: a file without label.
        """
        missing = [file for file in files if file not in self._by_path]
        if missing:
            raise refuse(
                f"{len(missing)} pictures have no label in {LABEL_FILE} (the first is "
                f"{printable(missing[0])}); add them or remove them"
            )
        return [self._by_path[file] for file in files]


def read_labels(content: bytes, refuse: Callable[[str], SettingError]) -> Labels | None:
    """The labels of a dataset.json; None for a file of another kind, without `labels`.

    Args:
      content: of the file.
      refuse: makes the error from what is wrong.

    Raises:
      SettingError: no JSON, or labels that are no whole numbers.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise refuse(
            f"{LABEL_FILE} is no JSON ({printable(str(error))[:100]}); copy it again"
        ) from None
    if not isinstance(found, dict) or "labels" not in found:
        return None
    if found["labels"] is None:
        return Labels({})
    if not isinstance(found["labels"], list):
        raise refuse(f"labels of {LABEL_FILE} are no list of [file, number]")
    by_path: dict[str, int] = {}
    for entry in found["labels"]:
        path, label = _checked(entry, refuse)
        if by_path.setdefault(path, label) != label:
            raise refuse(f"{LABEL_FILE} gives {printable(path)} two labels; keep one")
    return Labels(by_path)


def _checked(entry: Any, refuse: Callable[[str], SettingError]) -> tuple[str, int]:
    if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):
        shown = printable(str(entry))[:60]
        raise refuse(f"labels of {LABEL_FILE} hold {shown}, not [file, number]")
    path, label = entry
    if isinstance(label, bool) or not isinstance(label, int) or label < 0:
        kind = "a list, as of one-hot labels" if isinstance(label, list) else "no label"
        raise refuse(
            f"the label of {printable(path)} in {LABEL_FILE} is {kind} "
            f"({printable(str(label))[:30]}); give whole numbers from 0"
        )
    if label >= _MOST:
        raise refuse(
            f"the label of {printable(path)} in {LABEL_FILE} is {str(label)[:20]}, and "
            f"{_MOST:,} classes are the most; number the classes from 0"
        )
    return path.replace("\\", "/").removeprefix("./"), label
