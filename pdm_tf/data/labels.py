"""Classes as people name them -> labels; loads no TensorFlow."""

import difflib
from collections.abc import Sequence

from pdm_tf.errors import SettingError

_SHOWN = 8  # names that a message lists


def find_labels(
    given: Sequence[str | int],
    num_classes: int,
    class_names: Sequence[str] = (),
    null: bool = False,
) -> list[int]:
    """The labels of classes that are given by number or by name.

    A number from 0 on is a label, whatever classes are called. A name may hold commas,
    though names are separated by them.

    Args:
      given: numbers, as such or as text, and names.
      num_classes: classes of the model.
      class_names: their names in the order of labels; empty: not known.
      null: whether num_classes is a label too, which means none.

    Raises:
      SettingError: about `labels`: a class that the model does not know.
    """
    words = [str(word) for word in given]
    if words and not num_classes:
        raise SettingError(
            "labels", ",".join(words), "the model has no classes; give none"
        )
    names = {name: label for label, name in enumerate(class_names)}
    found = []
    while words:
        count = _words_of_name(words, names)
        word, words = ",".join(words[:count]).strip(), words[count:]
        label = (
            int(word) if word.isascii() and word.isdigit() and len(word) < 10 else -1
        )
        if not 0 <= label < num_classes + null:
            label = names.get(word, -1)
        if label < 0:
            raise SettingError("labels", word, _remedy(word, num_classes, names, null))
        found.append(label)
    return found


def name_of(label: int, class_names: Sequence[str]) -> str:
    """What a class is called: its name, or its number."""
    return class_names[label] if label < len(class_names) else str(label)


def _words_of_name(words: Sequence[str], names: dict[str, int]) -> int:
    """How many words make up the first name, the longest that there is."""
    longest = max((name.count(",") + 1 for name in names), default=1)
    for count in range(min(longest, len(words)), 0, -1):
        if ",".join(words[:count]).strip() in names:
            return count
    return 1


def _remedy(word: str, num_classes: int, names: dict[str, int], null: bool) -> str:
    numbers = f"0 to {num_classes - 1}"
    if null:
        numbers += f" ({num_classes} means no label)"
    if not names:
        return f"the model's classes are {numbers}, and it knows no names of them"
    if word.lstrip("+-").isdigit():
        return f"no such class; the model's classes are {numbers}"
    close = difflib.get_close_matches(word, names, n=3)
    if close:
        return f"no such class; did you mean {' or '.join(close)}?"
    some = ", ".join(list(names)[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return f"no such class; the model's classes are {numbers}: {some}"
