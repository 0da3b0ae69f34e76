"""Pictures to edit, read from files that settings name; loads no TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageOps

from pdm_tf.config import EditingConfig
from pdm_tf.data.decoding import UnreadablePicture, opened_picture
from pdm_tf.data.images import read_picture
from pdm_tf.errors import MissingSetting, SettingError


def check(config: EditingConfig, own: Any) -> None:
    """Raises SettingError for what can be refused before anything slow is loaded.

    Args:
      config: what every task takes.
      own: what the task takes besides.
    """
    if not config.model:
        raise MissingSetting("model", "name the directory of a run, or pretrained:NAME")
    if config.count < 1:
        raise SettingError("count", config.count, "at least 1 is needed")
    size_of("image", config.image)
    for setting in ("mask", "second_image"):
        if hasattr(own, setting):
            size_of(setting, getattr(own, setting))


def size_of(setting: str, path: str) -> tuple[int, int]:
    """Height and width of a picture file, upright."""
    if not path:
        raise MissingSetting(setting, "name a picture file")
    if not Path(path).is_file():
        raise SettingError(setting, path, "no such file")
    try:
        with opened_picture(path) as image:
            width, height = ImageOps.exif_transpose(image).size
    except UnreadablePicture as error:
        raise SettingError(setting, path, f"not a picture ({error.reason})") from error
    return height, width


def read_exactly(setting: str, path: str, shape: tuple[int, ...]) -> np.ndarray:
    """A picture of exactly this shape, uint8 [1, H, W, C]; never scaled or cropped."""
    height, width = size_of(setting, path)
    if (height, width) != tuple(shape[:2]):
        raise SettingError(
            setting,
            path,
            f"{width}x{height} pixels; give {shape[1]}x{shape[0]}, the size that the "
            "model draws",
        )
    return read_picture(path, shape)[None]
