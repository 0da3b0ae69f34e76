"""Pictures brought to a model's size, read from files that settings name."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pdm_tf.config import Fit
from pdm_tf.data.decoding import UnreadablePicture, opened_picture
from pdm_tf.data.images import read_picture
from pdm_tf.errors import MissingSetting, SettingError

_WAYS = "give `fit=crop`, `fit=pad` or `fit=resize`, or a picture of"


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


def read_exactly(
    setting: str,
    path: str,
    shape: tuple[int, ...],
    fit: Fit = "exact",
    filled: int = 255,
) -> np.ndarray:
    """A picture of a model's shape, uint8 [1, H, W, C].

    Args:
      setting: the setting that names the file, for messages.
      path: the file.
      shape: (H, W, C).
      fit: what becomes of a picture of another size: it is refused (exact), scaled
        until it covers the shape and cut in the middle (crop), scaled until it is
        within and surrounded (pad), or stretched (resize).
      filled: grey level that surrounds it.

    Raises:
      SettingError: not a picture, or of another size where that is refused.
    """
    height, width = size_of(setting, path)
    if (height, width) == tuple(shape[:2]) or fit == "crop":
        return read_picture(path, shape)[None]
    if fit == "exact":
        raise SettingError(
            setting,
            path,
            f"{width}x{height} pixels, while the model draws {shape[1]}x{shape[0]}; "
            f"{_WAYS} that size",
        )
    whole = read_picture(path, (height, width, shape[2]))
    image = Image.fromarray(whole[..., 0] if shape[2] == 1 else whole)
    size = shape[1], shape[0]
    if fit == "resize":
        image = image.resize(size, Image.Resampling.LANCZOS)
    else:
        colour = (filled,) * shape[2] if shape[2] == 3 else filled
        image = ImageOps.pad(image, size, Image.Resampling.LANCZOS, colour)
    return np.asarray(image).reshape(1, *shape)
