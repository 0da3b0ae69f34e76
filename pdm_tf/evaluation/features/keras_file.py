"""Features of any network that Keras has saved: --features=keras:FILE.

So distances can be in the space of DINOv2, CLIP or a network of one's own, where
somebody has its weights as a Keras model.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from pdm_tf.errors import SettingError
from pdm_tf.evaluation.features.extractor import Features
from pdm_tf.evaluation.features.resizing import resized
from pdm_tf.storage.files import checksum

PREFIX = "keras:"
_ROWS = 32  # pictures at once


class KerasFile:
    """What a Keras model gives for pictures; maps and tokens are averaged.

    The model takes floats [N, H, W, 3] or [N, H, W, 1] in 0 … 255, as Keras' own image
    layers do: a network that wants another scale has a Rescaling layer in front. H and
    W are as the model says, or those of the pictures where it leaves them open; grey
    becomes three equal channels. Code in a file, as of Lambda layers, is not run.

    Args:
      path: a *.keras file.

    Raises:
      SettingError: no such file, or no model that takes pictures and gives features.
    """

    def __init__(self, path: str) -> None:
        file = Path(path).expanduser()
        if not file.is_file():
            raise SettingError("features", PREFIX + path, "no such file")
        try:
            self._model: Any = keras.saving.load_model(file, compile=False)
            _, self._height, self._width, self._channels = self._model.input_shape
            size = int(self._model.output_shape[-1])
        except Exception as error:  # Keras raises errors of many kinds
            reason = " ".join(str(error).split())[:160]
            raise SettingError(
                "features",
                PREFIX + path,
                f"is no Keras model of pictures in one output ({reason})",
            ) from None
        self._sha256 = checksum(file)
        self.name = f"{PREFIX}{file.name}"
        self.sizes = (size, size)

    def describe(self) -> dict[str, Any]:
        """What a report says of it."""
        return {"kind": "Keras model", "sha256": self._sha256, "resize": "clean"}

    def __call__(self, pictures: np.ndarray) -> Features:
        """[N, H, W, C] in 0 … 255 -> features; the spatial ones are the pooled."""
        rows = range(0, len(pictures), _ROWS)
        pooled = np.concatenate([self._run(pictures[i : i + _ROWS]) for i in rows])
        return Features(pooled, pooled, None)

    def _run(self, pictures: np.ndarray) -> np.ndarray:
        height, width = self._height or 0, self._width or 0
        if (height and width) and pictures.shape[1:3] != (height, width):
            pictures = resized(pictures, height, width)
        x = pictures.astype(np.float32)
        if self._channels == 3 and x.shape[3] == 1:
            x = np.repeat(x, 3, axis=3)
        if self._channels == 1 and x.shape[3] == 3:
            x = x @ np.array([[0.299], [0.587], [0.114]], np.float32)  # ITU-R BT.601
        found = np.asarray(self._model(x, training=False), np.float32)
        return found.mean(axis=tuple(range(1, found.ndim - 1)))
