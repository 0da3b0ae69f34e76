"""The 5,000 real MNIST digits that ship with the package; mnist.md is their card."""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from pdm_tf.data.classes import check_classes
from pdm_tf.data.reading import InMemory
from pdm_tf.errors import SettingError

_FILE = Path(__file__).with_name("mnist.npz")
NAMES = tuple("0123456789")
_HELD_OUT = 100  # digits of each class that are for testing: the last of the file


def open_digits(
    argument: str, image_shape: tuple[int, int, int], num_classes: int, split: str
) -> InMemory:
    """Handwritten digits, white on black: 4,000 to train on, 1,000 held out.

    The classes take turns (0, 1, … 9, 0, …), so that any stretch of the source is
    balanced. A digit of 28 x 28 pixels stands in the middle of 32 x 32; for other
    sizes that square is scaled until it fits, and centred. Only 28 x 28 itself gets
    the bare digit.

    Args:
      argument: nothing; "without=4" for all digits but the fours; or "7=0.02" for so
        few sevens to train on that they are this share of all.
      image_shape: (H, W, C) in pixels; three channels are three times the grey one.
      num_classes: 10, or 0; the labels are the digits either way.
      split: "train" or "test".

    Raises:
      SettingError: another argument, a shape or a number of classes that do not fit.
    """
    name = f"mnist:{argument}" if argument else "mnist"
    check_classes("mnist", num_classes, NAMES)
    digits, labels = _digits()
    per_class = np.stack([np.flatnonzero(labels == int(d)) for d in NAMES], 1)
    held_out = slice(-_HELD_OUT, None) if split == "test" else slice(None, -_HELD_OUT)
    per_class = per_class[held_out]
    chosen = per_class[_kept(argument, len(per_class), split)]
    height, width, channels = image_shape
    pictures = np.stack([_placed(digits[row], height, width) for row in chosen])
    pictures = np.repeat(pictures[..., None], channels, axis=-1)
    return InMemory(name, pictures, labels[chosen], NAMES)


def _kept(argument: str, per_class: int, split: str) -> np.ndarray:
    """Which digits of each class an argument leaves, bool [per_class, 10]."""
    kept = np.ones((per_class, len(NAMES)), bool)
    if not argument:
        return kept
    word, _, value = argument.partition("=")
    if word == "without" and value in NAMES:
        kept[:, int(value)] = False
    elif word in NAMES and 0.0 < (share := _number(value)) <= 1 / len(NAMES):
        others = per_class * (len(NAMES) - 1)
        count = max(1, round(share / (1.0 - share) * others))
        kept[count:, int(word)] = split == "test"
    else:
        raise SettingError(
            "dataset",
            f"mnist:{argument}",
            "give `dataset=mnist`, mnist:without=4, or a share of at most "
            f"{1 / len(NAMES):g} that is left of a digit, as in mnist:7=0.02",
        )
    return kept


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """uint8 [5000, 28, 28] and int32 [5000]: 500 zeros, then 500 ones, …"""
    with np.load(_FILE) as stored:
        return stored["pixels"], stored["labels"].astype(np.int32)


def _placed(digit: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [28, 28] -> uint8 [height, width]."""
    if (height, width) == (28, 28):
        return digit
    square = np.pad(digit, 2)
    side = min(height, width)
    if side != 32:
        scaled = Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC)
        square = np.asarray(scaled)
    above, left = (height - side) // 2, (width - side) // 2
    return np.pad(square, ((above, height - side - above), (left, width - side - left)))
