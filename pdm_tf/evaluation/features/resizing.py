"""Resizing that loses no detail to aliasing, as clean-fid has it (arXiv 2104.11222)."""

from typing import Any

import numpy as np
from PIL import Image

from pdm_tf.evaluation.features.extractor import Extractor, Features


def resized(pictures: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pictures of another size: Pillow's bicubic with antialiasing, channel by channel.

    Nothing is rounded to bytes in between or at the end; what overshoots is clipped.

    Args:
      pictures: uint8 [N, H, W, C].
      height: of the result [pixels].
      width: likewise.

    Returns:
      float32 [N, height, width, C] in 0 … 255.
    """
    count, _, _, channels = pictures.shape
    made = np.empty((count, height, width, channels), np.float32)
    for n, picture in enumerate(pictures):
        for c in range(channels):
            plane = Image.fromarray(picture[..., c].astype(np.float32))
            plane = plane.resize((width, height), Image.Resampling.BICUBIC)
            made[n, ..., c] = np.asarray(plane)
    return np.clip(made, 0, 255)


class Resizing:
    """An extractor that is given pictures of the size of its network, resized cleanly.

    Args:
      extractor: takes floats in 0 … 255 too.
      side: height and width of what it is given [pixels].
    """

    def __init__(self, extractor: Extractor, side: int) -> None:
        self._extractor, self._side = extractor, side
        self.name, self.sizes = extractor.name, extractor.sizes

    def describe(self) -> dict[str, Any]:
        """What a report says of it."""
        return {**self._extractor.describe(), "resize": "clean"}

    def __call__(self, pictures: np.ndarray) -> Features:
        """uint8 [N, H, W, C] -> features."""
        return self._extractor(resized(pictures, self._side, self._side))
