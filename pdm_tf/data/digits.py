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
      argument: nothing, or "without=4" for all digits but the fours.
      image_shape: (H, W, C) in pixels; three channels are three times the grey one.
      num_classes: 10, or 0; the labels are the digits either way.
      split: "train" or "test".

    Raises:
      SettingError: another argument, a shape or a number of classes that do not fit.
    """
    name = f"mnist:{argument}" if argument else "mnist"
    left_out = _left_out(argument)
    check_classes("mnist", num_classes, NAMES)
    digits, labels = _digits()
    kept = [digit for digit in range(len(NAMES)) if digit != left_out]
    per_class = np.stack([np.flatnonzero(labels == digit) for digit in kept], 1)
    held_out = slice(-_HELD_OUT, None) if split == "test" else slice(None, -_HELD_OUT)
    chosen = per_class[held_out].reshape(-1)
    height, width, channels = image_shape
    pictures = np.stack([_placed(digits[row], height, width) for row in chosen])
    pictures = np.repeat(pictures[..., None], channels, axis=-1)
    return InMemory(name, pictures, labels[chosen], NAMES)


def _left_out(argument: str) -> int | None:
    """The digit that "without=4" names."""
    if not argument:
        return None
    word, _, digit = argument.partition("=")
    if word != "without" or digit not in NAMES:
        raise SettingError(
            "dataset", f"mnist:{argument}", "give `dataset=mnist` or mnist:without=4"
        )
    return int(digit)


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
