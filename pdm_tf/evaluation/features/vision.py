"""Features of DINOv2 and CLIP: --features=dinov2:FILE and clip:FILE.

DINOv2 (arXiv 2304.07193): the class token after the last normalisation, as arXiv
2306.04675 and EDM2 (arXiv 2312.02696) take it for their distances; CLIP (arXiv
2103.00020): the projected class token, not scaled to length 1.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.errors import InputError, SettingError
from pdm_tf.evaluation.features import vision_files
from pdm_tf.evaluation.features.extractor import Features
from pdm_tf.evaluation.features.resizing import resized
from pdm_tf.evaluation.features.vision_transformer import forward, interpolated
from pdm_tf.storage.files import checksum

_ROWS = 16  # pictures at once
DINOV2_SIDE, PROCESSOR_SIDE = 224, 256  # pixels


class Preparation(NamedTuple):
    """How a network wants its pictures."""

    enlarged: int  # the shorter side after resizing [pixels]
    side: int  # of the middle that is cut out [pixels]
    mean: tuple[float, float, float]  # of colours in 0 … 1
    deviation: tuple[float, float, float]

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, 1 or 3] -> float32 [N, side, side, 3], normalised."""
        height, width = pictures.shape[1:3]
        shorter = min(height, width)
        size = (self.enlarged * height // shorter, self.enlarged * width // shorter)
        x = resized(pictures, *size)
        top, left = ((edge - self.side) // 2 for edge in size)
        x = x[:, top : top + self.side, left : left + self.side] / np.float32(255)
        off, scale = (np.array(c, np.float32) for c in (self.mean, self.deviation))
        return (np.broadcast_to(x, (*x.shape[:3], 3)) - off) / scale


IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OPENAI = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)


class VisionTransformer:
    """A network from Hugging Face's file; its spatial features are the pooled ones.

    Args:
      family: "dinov2" or "clip".
      path: a safetensors file with the config.json beside it, or the folder of both.
      resize: for DINOv2, "cropped" for what its processor does: the shorter side
        becomes 256 pixels and the middle 224 are seen; else all of a square picture.

    Raises:
      SettingError: no such file, or one that does not fit; says what differs.
    """

    def __init__(self, family: str, path: str, resize: str = "own") -> None:
        self.name = f"{family}:{path}"
        of = {"dinov2": vision_files.DINOV2, "clip": vision_files.CLIP}[family]
        try:
            found = vision_files.read(path, of)
            self._prepare = _preparation(family, found, resize)
        except InputError as error:
            raise SettingError("features", self.name, str(error)) from None
        shape, file = found.shape, found.file
        self.name = f"{family}:{_short_name(file)}"
        self.sizes = (shape.projected or shape.width,) * 2
        self._said = {"kind": of.name, "sha256": checksum(file)}
        self._said |= shape._asdict() | {"configured": found.configured}
        grid = self._prepare.side // shape.patch
        # PyTorch's two ports of DINOv2 differ: that with registers has antialiasing.
        antialias = bool(shape.registers)
        positions = interpolated(
            found.weights["positions"].numpy(), grid, antialias=antialias
        )
        weights = {**found.weights, "positions": tf.constant(positions)}
        self._run = tf.function(
            lambda x: forward(x, weights, shape),
            input_signature=[
                tf.TensorSpec([None, self._prepare.side, self._prepare.side, 3])
            ],
        )

    def describe(self) -> dict[str, Any]:
        """What a report says of it."""
        return {**self._said, "resize": self._prepare._asdict()}

    def __call__(self, pictures: np.ndarray) -> Features:
        """uint8 [N, H, W, C] -> features; grey becomes three equal channels.

        Raises:
          SettingError: pictures of other channels.
        """
        if pictures.shape[3] not in (1, 3):
            remedy = f"reads grey and colours, not {pictures.shape[3]} channels"
            raise SettingError("features", self.name, remedy)
        rows = range(0, len(pictures), _ROWS)
        parts = [self._run(self._prepare(pictures[i : i + _ROWS])) for i in rows]
        pooled = np.concatenate([part.numpy() for part in parts])
        return Features(pooled, pooled, None)


def _preparation(
    family: str, found: vision_files.VisionFile, resize: str
) -> Preparation:
    shape = found.shape
    if family == "clip":
        side = shape.grid * shape.patch
        return Preparation(side, side, *OPENAI)
    side = DINOV2_SIDE // shape.patch * shape.patch
    enlarged = PROCESSOR_SIDE if resize == "cropped" else side
    return Preparation(enlarged, side, *IMAGENET)


def _short_name(file: Any) -> str:
    """Of a report: the file, or its folder where all files are called the same."""
    return file.absolute().parent.name if file.name == vision_files.FILE else file.name
