"""Pictures as files, as bytes and as the network's numbers in [-1, 1].

The only file that knows 127.5. Loads NumPy and Pillow alone; TensorFlow is met only
when a tensor is handed in.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.data.decoding import Conversions, cropped, decoded, opened_picture
from pdm_tf.errors import SettingError
from pdm_tf.storage.images import write_png

_MODES = {1: "L", 3: "RGB"}  # channels -> Pillow's mode
_SCALE = np.float32(1 / 127.5)


def to_float(pictures: Any) -> Any:
    """uint8 -> float32 in [-1, 1]: x = byte / 127.5 - 1, to the last bit but one.

    Computed as (byte - 127.5)·(1 / 127.5): one exact step and one rounding. Graph
    compilers turn a division by a constant into this product anyway, and so eager
    code, graphs and XLA give the same bits.

    Args:
      pictures: uint8 of any shape, a tensor or an array.

    Returns:
      float32 of the same shape and kind; `to_uint8` gives back the same bytes.
    """
    if isinstance(pictures, np.ndarray):
        return (pictures.astype(np.float32) - np.float32(127.5)) * _SCALE
    import tensorflow as tf

    return (tf.cast(pictures, tf.float32) - 127.5) * _SCALE


def to_uint8(x: Any) -> Any:
    """[-1, 1] -> uint8: x·127.5 + 128, clipped, then truncated.

    That is (x + 1)·127.5 rounded to the nearest grey level (halves go up), as DiT and
    EDM do. ADM truncates (x + 1)·127.5 instead, which is half a level darker on
    average, and breaks the round trip.

    Args:
      x: floats of any shape, a tensor or an array; beyond [-1, 1] is clipped.

    Returns:
      uint8 of the same shape and kind.
    """
    if isinstance(x, np.ndarray):
        x = x.astype(np.float32) * np.float32(127.5) + np.float32(128)
        return np.clip(x, 0, 255).astype(np.uint8)
    import tensorflow as tf

    x = tf.cast(x, tf.float32) * 127.5 + 128.0
    return tf.cast(tf.clip_by_value(x, 0.0, 255.0), tf.uint8)


def checked_shape(image_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Height, width, channels of a picture that can be read and shown, or InputError.

    Args:
      image_shape: (H, W, C) in pixels; C is 1 (grey) or 3 (red, green, blue).
    """
    if len(image_shape) != 3 or min(image_shape) < 1 or image_shape[2] not in _MODES:
        raise SettingError(
            "image_shape",
            image_shape,
            "give height, width and channels, with 1 channel for grey or 3 for "
            "colour, such as 64,64,3",
        )
    height, width, channels = image_shape
    return height, width, channels


def read_picture(
    path: Path | str | bytes,
    image_shape: tuple[int, ...],
    conversions: Conversions | None = None,
) -> np.ndarray:
    """One picture file, upright, on white, centre-cropped as ADM crops.

    See `decoding` for what becomes of orientation, transparency, 16 bits, palettes,
    CMYK and animations, and for the bounds.

    Args:
      path: a file of PNG, JPEG, WebP, BMP or GIF, or the bytes of one.
      image_shape: (H, W, C) in pixels, C of 1 or 3.
      conversions: takes note of what was changed beside the size.

    Returns:
      uint8 [H, W, C].

    Raises:
      InputError: the file cannot be read as a picture, or `image_shape` is no shape.
    """
    height, width, channels = checked_shape(image_shape)
    with opened_picture(path) as file:
        image = decoded(file, _MODES[channels], conversions or Conversions())
        picture = np.asarray(cropped(image, height, width))
    return picture.reshape(height, width, channels)


def contact_sheet(pictures: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Pictures side by side, row by row, on white with a border of two pixels.

    Args:
      pictures: uint8 [N, H, W, C], N >= 1.
      columns: pictures in a row; None makes the sheet about as wide as it is high.

    Returns:
      uint8 [rows·(H + 2) + 2, columns·(W + 2) + 2, C].
    """
    count, height, width, channels = pictures.shape
    columns = columns or min(count, math.ceil(math.sqrt(count * height / width)))
    rows = math.ceil(count / columns)
    border = 2
    cell = np.full(
        (rows * columns, height + border, width + border, channels), 255, np.uint8
    )
    cell[:count, border:, border:] = pictures
    cell = cell.reshape(rows, columns, *cell.shape[1:]).swapaxes(1, 2)
    sheet = cell.reshape(rows * (height + border), columns * (width + border), channels)
    return np.pad(sheet, ((0, border), (0, border), (0, 0)), constant_values=255)


def save_png(path: Path | str, picture: np.ndarray) -> None:
    """Writes a PNG, whole or not at all.

    Args:
      path: where to; missing folders are made, an existing file is replaced.
      picture: uint8 [H, W, C], C of 1 or 3.

    Raises:
      InputError: another number of channels.
    """
    checked_shape(picture.shape)
    write_png(path, picture)
