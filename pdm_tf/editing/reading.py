"""Pictures to edit, read from files that flags name; loads no TensorFlow."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pdm_tf.data.images import read_picture
from pdm_tf.errors import MissingSetting, SettingError


def size_of(flag: str, path: str) -> tuple[int, int]:
    """Height and width of a picture file, upright."""
    if not path:
        raise MissingSetting(flag, "name a picture file")
    if not Path(path).is_file():
        raise SettingError(flag, path, "no such file")
    try:
        with Image.open(path) as image:
            width, height = ImageOps.exif_transpose(image).size
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        raise SettingError(flag, path, f"not a picture ({error})") from error
    return height, width


def read_exactly(flag: str, path: str, shape: tuple[int, ...]) -> np.ndarray:
    """A picture of exactly this shape, uint8 [1, H, W, C]; never scaled or cropped."""
    height, width = size_of(flag, path)
    if (height, width) != tuple(shape[:2]):
        raise SettingError(
            flag,
            path,
            f"{width}x{height} pixels; give {shape[1]}x{shape[0]}, the size that the "
            "model draws",
        )
    return read_picture(path, shape)[None]
