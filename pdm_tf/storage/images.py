"""PNG files of pictures that are bytes already."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from pdm_tf.storage.files import write_bytes


def encode_png(picture: np.ndarray, compress_level: int = 6) -> bytes:
    """uint8 [H, W, C], C of 1 or 3 -> PNG, without loss.

    Args:
      picture: what is stored.
      compress_level: 0 to 9. At 1 files are a tenth larger than at 6, Pillow's
        default, are written in a quarter of the time and read as fast.
    """
    file = io.BytesIO()
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    image.save(file, format="PNG", compress_level=compress_level)
    return file.getvalue()


def write_png(path: Path | str, picture: np.ndarray) -> None:
    """Writes uint8 [H, W, C] as PNG, whole or not at all; missing folders are made.

    It does not wait for the disk: a picture is one of thousands.
    """
    write_bytes(path, encode_png(picture), flush=False)
