"""Files of pictures that anybody may have made -> Pillow's pictures, within bounds.

Every picture that is read is opened here, by one of five formats and no other: Pillow
knows dozens, among them programs in PostScript for which it starts another program.
"""

import contextlib
import io
import re
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from pdm_tf.errors import InputError, printable
from pdm_tf.storage.reading import open_regular

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_BYTES = 2**28  # of a file
MAX_PIXELS = 110_000_000  # of a picture; large sensors of telephones have 108 million
_LARGE = 2**24  # pixels; from here on one picture at a time is decoded
_STRIP = 2**22  # pixels that are laid over white at a time

_alone = threading.Lock()
# Pillow warns from a third of our limit on; beyond it we say so ourselves.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")  # such as of damaged EXIF data


class UnreadablePicture(InputError):
    """A file that cannot be read as a picture.

    Attributes:
      reason: why, in a few words.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{printable(name)}: not a picture that can be read ({reason}); remove or "
            "replace it"
        )


@dataclass(frozen=True)
class Conversions:
    """What was changed in pictures beyond their size, and in how many."""

    counts: Counter[str] = field(default_factory=Counter)
    said: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *kinds: str) -> None:
        """Notes one picture; from any thread."""
        with self.lock:
            self.counts.update(kinds)

    def not_yet_said(self) -> str:
        """Each kind with its count, if it was not given out before."""
        with self.lock:
            new = [kind for kind in self.counts if kind not in self.said]
            self.said.update(new)
        return "; ".join(f"{kind} ({self.counts[kind]:,} so far)" for kind in new)


@contextlib.contextmanager
def opened_picture(source: Path | str | bytes) -> Iterator[Image.Image]:
    """A picture whose size and mode are known and that is not decoded yet.

    Args:
      source: a file of PNG, JPEG, WebP, BMP or GIF, or the bytes of one.

    Raises:
      UnreadablePicture: none of these, damaged, or too large; also for what goes wrong
        while the block decodes it.
    """
    name = "data" if isinstance(source, bytes) else str(source)
    try:
        with contextlib.ExitStack() as stack:
            if isinstance(source, bytes):
                file: BinaryIO = io.BytesIO(source)
            else:
                file = stack.enter_context(open_regular(source, MAX_BYTES))
            image = stack.enter_context(Image.open(file, formats=FORMATS))
            pixels = image.width * image.height
            if pixels > MAX_PIXELS:
                raise UnreadablePicture(name, _too_large(pixels))
            if pixels > _LARGE:
                stack.enter_context(_alone)
            yield image
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        raise UnreadablePicture(name, _reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is no PNG, JPEG, WebP, BMP or GIF"
    if isinstance(error, Image.DecompressionBombError):
        found = re.search(r"\((\d+) pixels", str(error))
        return _too_large(int(found[1]) if found else 2 * MAX_PIXELS)
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(" ".join(str(error).split()))[:200] or type(error).__name__


def _too_large(pixels: int) -> str:
    return (
        f"it has {pixels / 1e6:.0f} million pixels, and {MAX_PIXELS / 1e6:.0f} million "
        "are the most; make it smaller"
    )


def decoded(image: Image.Image, mode: str, conversions: Conversions) -> Image.Image:
    """The whole picture as "L" or "RGB": upright, on white, in 8 bits.

    EXIF orientation is obeyed, transparency laid over white, 16 bits reduced to their
    high byte; palettes, grey and CMYK become `mode`. Of an animation the first frame
    counts.
    """
    kinds = _kinds_of(image)
    image.load()
    conversions.add(*kinds, *_turned(image))
    return _flat(image, mode)


def _kinds_of(image: Image.Image) -> list[str]:
    """What `decoded` is about to change, beside orientation."""
    found = []
    if ";16" in str([tile[3] for tile in getattr(image, "tile", ())]):
        found.append("of 16 bits, the high 8 kept")
    if image.has_transparency_data:
        found.append("with transparency, laid over white")
    if image.mode == "CMYK":
        found.append("in CMYK, made RGB")
    if getattr(image, "is_animated", False):
        found.append("of several frames, the first kept")
    return found


def _turned(image: Image.Image) -> list[str]:
    """Turns a picture as its camera was held; damaged EXIF data is passed over."""
    with contextlib.suppress(Exception):
        size, pixels = image.size, image.im
        ImageOps.exif_transpose(image, in_place=True)
        if image.im is not pixels or image.size != size:
            return ["turned upright as EXIF says"]
    return []


def _flat(image: Image.Image, mode: str) -> Image.Image:
    """Any of Pillow's modes -> "L" or "RGB", transparency over white."""
    if image.mode.startswith("I"):  # 16-bit grey, as Pillow reduces 16-bit colour
        levels = np.asarray(image)
        if levels.dtype.itemsize > 2:
            levels = np.clip(levels, 0, 65535)
        image = Image.fromarray((levels >> 8).astype(np.uint8))
    elif image.has_transparency_data:
        image = _on_white(image)
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _on_white(image: Image.Image) -> Image.Image:
    """RGB; strip by strip, for the four copies that this takes are of a strip."""
    flat = Image.new("RGB", image.size)
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        strip = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        flat.paste(Image.alpha_composite(white, strip).convert("RGB"), (0, top))
    return flat


def cropped(image: Image.Image, height: int, width: int) -> Image.Image:
    """ADM's centre crop (arXiv:2105.05233, their data loader) for any H x W.

    Halved by boxes while both sides stay large enough, scaled by a cubic until the
    picture just covers H x W, then cut in the middle. Equals ADM's for H = W. Of a
    picture so long that the scaled one would be far larger than what is cut from it,
    the middle is scaled alone.
    """
    while image.width >= 2 * width and image.height >= 2 * height:
        half = (image.width // 2, image.height // 2)
        image = image.resize(half, Image.Resampling.BOX)
    scale = max(width / image.width, height / image.height)
    size = (round(image.width * scale), round(image.height * scale))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    if size[0] * size[1] > 64 * max(width * height, 2**14):
        box = (
            left / scale,
            top / scale,
            (left + width) / scale,
            (top + height) / scale,
        )
        inside = (*box[:2], min(box[2], image.width), min(box[3], image.height))
        return image.resize((width, height), Image.Resampling.BICUBIC, inside)
    image = image.resize(size, Image.Resampling.BICUBIC)
    return image.crop((left, top, left + width, top + height))
