"""Emoji of a font, rendered by Pillow: classes are Unicode's groups.

The font is one of the user's, such as Noto Color Emoji (SIL Open Font Licence 1.1, from
`apt-get install fonts-noto-color-emoji`); none comes along.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pdm_tf.data.classes import check_classes
from pdm_tf.data.emoji_groups import GROUPS
from pdm_tf.data.reading import InMemory
from pdm_tf.errors import SettingError

NAMES = tuple(GROUPS)
_PLACES = (  # where systems have it
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
)
_SIZE = 109  # the one size of Noto Color Emoji's bitmaps [pixels]
_CANVAS = 2 * _SIZE  # larger than any emoji
_MARGIN = 1 / 16  # of a picture, on each side
_HELD_OUT = 10  # every tenth of a group is held out
_NOBODY = "\U0010fffe"  # no character: what a font draws for what it lacks


def open_emoji(
    argument: str, image_shape: tuple[int, int, int], num_classes: int, split: str
) -> InMemory:
    """Emoji on white, each in the middle: about 1,230 to train on, 140 held out.

    Args:
      argument: the font's file; nothing for Noto Color Emoji where systems have it.
      image_shape: (H, W, C) in pixels, C of 1 or 3.
      num_classes: 8, the groups but for flags; or 0.
      split: "train" or "test", every tenth emoji of each group.

    Raises:
      SettingError: no such font, or one without emoji.
    """
    check_classes("emoji", num_classes, NAMES)
    font = _opened(argument)
    pictures, labels = [], []
    for label, name in enumerate(NAMES):
        found = (_rendered(char, font) for char in _characters(GROUPS[name]))
        drawn = [image for image in found if image is not None]
        for number, image in enumerate(drawn):
            if (number % _HELD_OUT == _HELD_OUT - 1) == (split == "test"):
                pictures.append(_placed(image, image_shape))
                labels.append(label)
    if not pictures:
        raise SettingError("dataset", f"emoji:{argument}", "the font holds no emoji")
    # Mixed once, the same way for ever, so that any stretch has all groups.
    order = np.random.RandomState(0).permutation(len(labels))
    stacked, known = np.stack(pictures)[order], np.asarray(labels, np.int32)[order]
    return InMemory(f"emoji:{argument}" if argument else "emoji", stacked, known, NAMES)


def _opened(argument: str) -> ImageFont.FreeTypeFont:
    places = [argument] if argument else [p for p in _PLACES if Path(p).is_file()]
    if not places:
        raise SettingError(
            "dataset",
            "emoji",
            "no emoji font was found; run apt-get install fonts-noto-color-emoji, or "
            "give `dataset=emoji:FONT.ttf`",
        )
    try:
        return ImageFont.truetype(str(Path(places[0]).expanduser()), _SIZE)
    except (OSError, ValueError) as error:
        raise SettingError(
            "dataset", f"emoji:{places[0]}", f"not a font that can be read ({error})"
        ) from None


def _characters(ranges: str) -> Iterator[str]:
    """1F600-1F602 263A … -> characters."""
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))


def _rendered(char: str, font: ImageFont.FreeTypeFont) -> Image.Image | None:
    """A character as large as it is, RGBA; None where the font lacks it."""
    if bytes(font.getmask(char)) == bytes(font.getmask(_NOBODY)):
        return None
    image = Image.new("RGBA", (_CANVAS, _CANVAS))
    draw = ImageDraw.Draw(image)
    place = (_SIZE // 4, _SIZE // 4)
    draw.text(place, char, fill="black", font=font, embedded_color=True)
    box = image.getbbox()
    return image.crop(box) if box else None


def _placed(image: Image.Image, image_shape: tuple[int, int, int]) -> np.ndarray:
    """On white, in the middle, as large as a margin allows: uint8 [H, W, C]."""
    height, width, channels = image_shape
    room = 1 - 2 * _MARGIN
    scale = min(room * width / image.width, room * height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(size, Image.Resampling.LANCZOS)
    whole = Image.new("RGBA", (width, height), "white")
    whole.alpha_composite(small, ((width - size[0]) // 2, (height - size[1]) // 2))
    flat = whole.convert("L" if channels == 1 else "RGB")
    return np.asarray(flat).reshape(image_shape)
