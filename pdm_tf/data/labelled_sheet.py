"""Contact sheets that say what is on them: names of classes above, of rows beside."""

import contextlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pdm_tf.data.images import contact_sheet

COLUMNS = 20  # classes that get a column of their own; of more, each picture has a name
_SIZE = 12  # height of letters [pixels]
_WIDEST = 76  # a longer name is cut off, unless pictures are wider [pixels]
_BORDER = 2
_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def labelled_sheet(
    pictures: np.ndarray, labels: Sequence[int], names: Sequence[str]
) -> np.ndarray:
    """Pictures in columns, one for each class, with the classes' names above.

    More classes than columns would be are laid out in rows, a name above each picture.

    Args:
      pictures: uint8 [N, H, W, C], N >= 1.
      labels: of each picture; a sheet's columns are in the order of labels.
      names: of each picture's class.

    Returns:
      uint8 [height, width, C].
    """
    named = dict(zip(labels, names, strict=True))
    font = _font_for(named.values())
    widest = max(_WIDEST, pictures.shape[2])
    texts = {
        label: _shortened(_drawable(name, label, font), font, widest)
        for label, name in named.items()
    }
    width = max(
        [pictures.shape[2], *(int(font.getlength(text)) + 2 for text in texts.values())]
    )
    pictures = _widened(pictures, width)
    if len(named) > COLUMNS:
        captions = np.stack(
            [_caption(texts[label], width, pictures, font) for label in labels]
        )
        return contact_sheet(np.concatenate([captions, pictures], axis=1))
    columns = sorted(named)
    rows = max(list(labels).count(label) for label in columns)
    cells = np.full((rows, len(columns), *pictures.shape[1:]), 255, np.uint8)
    for column, label in enumerate(columns):
        own = pictures[np.asarray(labels) == label]
        cells[: len(own), column] = own
    sheet = contact_sheet(cells.reshape(-1, *cells.shape[2:]), len(columns))
    captions = np.stack(
        [_caption(texts[label], width, pictures, font) for label in columns]
    )
    return np.concatenate([contact_sheet(captions, len(columns))[:-_BORDER], sheet])


def named_rows(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Pictures row by row, on the left of each row its name.

    Args:
      rows: uint8 [K, H, W, C] by name, of one size; a row may be shorter than others.

    Returns:
      uint8 [height, width, C].
    """
    columns = max(map(len, rows.values()))
    _, height, width, channels = next(iter(rows.values())).shape
    cells = np.full((len(rows), columns, height, width, channels), 255, np.uint8)
    for cell, row in zip(cells, rows.values(), strict=True):
        cell[: len(row)] = row
    sheet = contact_sheet(cells.reshape(-1, *cells.shape[2:]), columns)
    font = _font_for(rows)
    wide = max(int(font.getlength(name)) for name in rows) + 2 * _BORDER
    image = Image.new("L", (wide, len(sheet)), 255)
    for index, name in enumerate(rows):
        middle = index * (height + _BORDER) + _BORDER + height / 2
        ImageDraw.Draw(image).text(
            (_BORDER, middle), name, fill=0, font=font, anchor="lm"
        )
    names = np.repeat(np.asarray(image)[..., None], channels, axis=2)
    return np.concatenate([names, sheet], axis=1)


def _widened(pictures: np.ndarray, width: int) -> np.ndarray:
    """Pictures in the middle of white ones as wide as their names."""
    left, more = divmod(width - pictures.shape[2], 2)
    sides = ((0, 0), (0, 0), (left, left + more), (0, 0))
    return np.pad(pictures, sides, constant_values=255)


def _font_for(names: Iterable[str]) -> _Font:
    """Pillow's own font, which has ASCII, or where that is not enough another's.

    That of matplotlib, where it is installed: it has Latin, Greek, Cyrillic and more.
    """
    font: _Font = ImageFont.load_default(_SIZE)
    if all(_plain(name).isascii() for name in names):
        return font
    found = find_spec("matplotlib")
    if found is not None and found.origin:
        file = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"
        with contextlib.suppress(OSError):
            return ImageFont.truetype(file, _SIZE)
    return font


def _plain(name: str) -> str:
    """A name without accents, as far as letters are what is left."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(c for c in plain if not unicodedata.combining(c))


def _drawable(name: str, label: int, font: _Font) -> str:
    """A name in letters that a font has, or else the number of its class."""
    for text in (unicodedata.normalize("NFC", name), _plain(name)):
        if text.isascii() or (_is_wide(font) and _has(font, text)):
            return text
    return f"class {label}"


def _is_wide(font: _Font) -> bool:
    return isinstance(font, ImageFont.FreeTypeFont) and font.getname()[0] != "Aileron"


def _has(font: _Font, text: str) -> bool:
    """Whether a font draws every letter otherwise than one that nobody has."""
    missing = bytes(font.getmask("\U0010fffe"))
    return all(c.isspace() or bytes(font.getmask(c)) != missing for c in text)


def _shortened(name: str, font: _Font, widest: int) -> str:
    """As much of a name as there is room for."""
    if font.getlength(name) <= widest:
        return name
    while name and font.getlength(name + "...") > widest:
        name = name[:-1]
    return name + "..."


def _caption(
    text: str,
    width: int,
    pictures: np.ndarray,
    font: _Font,
) -> np.ndarray:
    """A name in black on white, uint8 [height of a line, width, C]."""
    image = Image.new("L", (width, _SIZE + 4), 255)
    left = (width - font.getlength(text)) // 2
    ImageDraw.Draw(image).text((left, 1), text, fill=0, font=font)
    return np.repeat(np.asarray(image)[..., None], pictures.shape[3], axis=2)
