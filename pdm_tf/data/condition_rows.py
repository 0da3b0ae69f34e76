"""Conditions as people ask for them -> rows, float32 [N, n]; loads no TensorFlow."""

from collections.abc import Sequence

import numpy as np

from pdm_tf.config.conditioning import CLASSES, Conditions, read_values
from pdm_tf.data.labels import find_labels
from pdm_tf.errors import SettingError

_JOINED, _NONE = "+", "none"


def asked_rows(
    conditions: Conditions,
    count: int,
    labels: Sequence[str] = (),
    attributes: Sequence[str] = (),
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Rows of pictures 0 … count - 1, float32 [count, n].

    Args:
      conditions: of the model.
      count: number of pictures.
      labels: of pictures in turn, each by name or number, several joined by +, none
        for no label; empty: all in turn, one each.
      attributes: NAME=NUMBER, or several numbers for pictures in turn, see
        `read_values`; what is not named is not known. None at all: spread evenly over
        their ranges.
      class_names: of the labels; empty: not known.

    Raises:
      SettingError: labels or attributes that the model does not have.
    """
    if labels and not conditions.num_classes:
        find_labels(labels, 0)  # refuses
    rows = spread_rows(conditions, np.arange(count))
    names = [one.name for one in conditions.attributes]
    values = read_values("attributes", attributes, names)
    for name in names if attributes else ():
        column = conditions.parts[name]
        rows[:, column] = np.resize(values.get(name, [np.nan]), count)[:, None]
    if labels:
        found = [_label_row(text, conditions, class_names) for text in labels]
        rows[:, conditions.parts[CLASSES]] = np.resize(
            np.stack(found), (count, conditions.num_classes)
        )
    return rows


def _label_row(
    text: str, conditions: Conditions, class_names: Sequence[str]
) -> np.ndarray:
    """The columns of classes, for the labels of one picture."""
    row = np.zeros(conditions.num_classes, np.float32)
    if text == _NONE and text not in class_names and conditions.several:
        return row
    joined = conditions.several and text not in class_names
    words = text.split(_JOINED) if joined else [text]
    found = find_labels(words, conditions.num_classes, class_names, null=True)
    if conditions.num_classes in found:
        if len(found) > 1:
            remedy = f"{conditions.num_classes} means that nothing is known; give it"
            raise SettingError("labels", text, f"{remedy} alone")
        return np.full_like(row, np.nan)
    row[found] = 1
    return row


def spread_rows(conditions: Conditions, numbers: np.ndarray) -> np.ndarray:
    """Rows for pictures whose conditions nobody chose, float32 [N, n].

    Classes in turn; attributes evenly over their ranges, each by steps of its own
    (Roberts' sequence, the generalised golden ratio), from their middles on.

    Args:
      conditions: of the model.
      numbers: of the pictures, int [N]; each row is a function of its own.
    """
    rows = np.zeros([len(numbers), conditions.size], np.float32)
    if conditions.num_classes:
        rows[np.arange(len(numbers)), numbers % conditions.num_classes] = 1
    ratio = 2.0
    for _ in range(64):  # x ** (n + 1) = x + 1
        ratio = (1 + ratio) ** (1 / (len(conditions.attributes) + 1))
    for i, one in enumerate(conditions.attributes, 1):
        share = (0.5 + numbers * ratio**-i) % 1.0
        column = conditions.num_classes + i - 1
        rows[:, column] = one.low + (one.high - one.low) * share
    return rows


def as_rows(conditions: Conditions | None, labels: np.ndarray) -> np.ndarray:
    """Labels as a model takes them: rows, where it has conditions.

    Args:
      conditions: of the model; None: labels stay as they are.
      labels: int32 [N], of which no attribute is known; or rows, float32 [N, n].
    """
    labels = np.asarray(labels)
    if conditions is None or labels.ndim == 2:
        return labels if labels.ndim == 1 else labels.astype(np.float32)
    rows = np.full([len(labels), conditions.size], np.nan, np.float32)
    classes = np.arange(conditions.num_classes)
    own = (labels[:, None] == classes).astype(np.float32)
    known = (labels < conditions.num_classes)[:, None]
    rows[:, : conditions.num_classes] = np.where(known, own, np.nan)
    return rows
