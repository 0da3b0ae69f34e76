"""What a visitor has drawn -> a picture of the model's size, and where to paint."""

from typing import Any

import numpy as np
from PIL import Image

from pdm_tf.errors import SettingError

_WIDE = 384  # pixels that a picture is enlarged to, for drawing on
_COVERED = 0.25  # share of a pixel that strokes must cover


def for_canvas(picture: np.ndarray) -> np.ndarray:
    """A picture large enough to draw on, uint8 [H, W, 3].

    Args:
      picture: uint8 [H, W, C], C of 1 or 3.
    """
    factor = max(1, _WIDE // max(picture.shape[:2]))
    large = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    return np.broadcast_to(large, (*large.shape[:2], 3)).copy()


def read_canvas(
    value: dict[str, Any] | None, shape: tuple[int, ...], strokes: bool
) -> np.ndarray:
    """The picture of an editor at a model's size, uint8 [1, H, W, C].

    Args:
      value: of the editor: background, layers and composite, uint8 [h, w, 4].
      shape: H, W, C; pictures of another shape are cut in the middle.
      strokes: whether what was drawn is part of it.

    Raises:
      SettingError: there is no picture, or of so many channels none can be drawn.
    """
    height, width, channels = shape
    if channels not in (1, 3):
        raise SettingError("picture", None, f"{channels} channels cannot be drawn on")
    found = (value or {}).get("composite" if strokes else "background")
    if found is None or not np.asarray(found)[..., 3:].any():
        raise SettingError("picture", None, "draw one with a seed, or upload one")
    image = Image.fromarray(np.asarray(found, np.uint8)).convert("RGBA")
    whole = Image.new("RGBA", image.size, "white")
    whole.alpha_composite(image)
    fitted = _fitted(whole.convert("L" if channels == 1 else "RGB"), width, height)
    return np.asarray(fitted).reshape(1, height, width, channels)


def has_strokes(value: dict[str, Any] | None) -> bool:
    """Whether something was drawn."""
    layers = (value or {}).get("layers") or ()
    return any(np.asarray(layer)[..., 3].any() for layer in layers)


def read_mask(value: dict[str, Any] | None, shape: tuple[int, ...]) -> np.ndarray:
    """Where strokes lie, bool [1, H, W, 1].

    Raises:
      SettingError: nothing was drawn.
    """
    height, width = shape[:2]
    layers = [np.asarray(layer) for layer in (value or {}).get("layers") or ()]
    if not has_strokes(value):
        raise SettingError(
            "mask", None, "draw on the picture where it is to be painted"
        )
    drawn = np.max([layer[..., 3] for layer in layers], axis=0)
    covered = _fitted(
        Image.fromarray((drawn > 0).astype(np.uint8) * 255), width, height
    )
    mask = np.asarray(covered) > 255 * _COVERED
    if not mask.any():
        raise SettingError("mask", None, "the strokes are too fine; draw wider ones")
    return mask.reshape(1, height, width, 1)


def _fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    """Its middle of that shape, each pixel the mean of what it covers."""
    share = min(image.width / width, image.height / height)
    wide, high = width * share, height * share
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    box = left, top, left + wide, top + high
    kind = Image.Resampling.BOX if share >= 1 else Image.Resampling.BICUBIC
    return image.resize((width, height), kind, box=box)
