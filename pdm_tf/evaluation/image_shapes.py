"""The shape that the pictures of a source have: by its metadata, or by all its files.

Only the heads of files are read. One file says nothing about the others: a thumbnail
or a sheet of all pictures may lie among them.
"""

import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pdm_tf.data.decoding import opened_picture
from pdm_tf.data.folder import list_pictures
from pdm_tf.data.tfds import stored_shape
from pdm_tf.errors import SettingError
from pdm_tf.evaluation.locations import Location
from pdm_tf.progress import progress

Shape = tuple[int, ...]
_SHIPPED = {"mnist": (32, 32, 1), "photos": (64, 64, 3), "emoji": (64, 64, 3)}
_DIGITS = ((32, 32, 1), (28, 28, 1))  # padded, and as they are
_GREY = ("1", "L", "LA", "La", "F")  # and all that begin with I
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)  # EXIF: width and height change places
_NAMED = 3  # sizes that a message lists


class Survey(NamedTuple):
    """What the heads of all files of a folder say.

    Attributes:
      sizes: (H, W) -> number of pictures.
      first: (H, W) -> name of the first picture.
      colour: whether any of them has colours.
    """

    sizes: Counter[tuple[int, int]]
    first: dict[tuple[int, int], str]
    colour: bool

    def __str__(self) -> str:
        """The sizes, the most frequent first, each with its first picture."""
        parts = [
            f"{count:,} of {width}x{height} (first: {self.first[height, width]})"
            for (height, width), count in self.sizes.most_common(_NAMED)
        ]
        more = len(self.sizes) - _NAMED
        return ", ".join(parts) + (f" and {more:,} sizes besides" if more > 0 else "")


def natural_shape(location: Location) -> Shape:
    """The shape (H, W, C) to read a source at when nothing else decides.

    Raises:
      SettingError: it has none, as its pictures are of several sizes or cannot be read.
    """
    kind, _, argument = location.path.partition(":")
    if kind in _SHIPPED:
        return _SHIPPED[kind]
    try:
        if kind == "tfds":
            return _of_metadata(location, argument)
        found = survey(argument, location.split)
    except SettingError as error:
        if error.setting != "dataset":
            raise
        raise error.named(location.setting) from error
    if not found.sizes:
        raise location.error(
            "no picture that can be read; give a folder of pictures, or `image_shape`"
        )
    if len(found.sizes) > 1:
        raise location.error(
            f"pictures of {len(found.sizes):,} sizes: {found}; give `image_shape` to "
            "scale and crop all of them to one, or move away what does not belong"
        )
    return *next(iter(found.sizes)), 3 if found.colour else 1


def _of_metadata(location: Location, argument: str) -> Shape:
    shape = stored_shape(argument)
    if len(shape) != 3 or not all(shape):
        raise location.error(
            "its metadata gives its pictures no common size; give `image_shape`"
        )
    return tuple(int(side) for side in shape if side)


def survey(folder: str, split: str) -> Survey:
    """Looks at the heads of all pictures that a folder's split is read from.

    Pictures that cannot be opened count nowhere: reading them says so.

    Raises:
      SettingError: about `dataset`: no such folder or split, or no pictures.
    """
    root, files = list_pictures(folder, split)
    watched = progress(files, f"sizes in {root.name}", "pictures", delay=2)
    return _survey(root, watched)


def _survey(root: Path, files: Iterable[str]) -> Survey:
    found = Survey(Counter(), {}, False)
    for name in files:
        try:
            with warnings.catch_warnings(), opened_picture(root / name) as image:
                warnings.simplefilter("ignore")  # damaged EXIF data and the like
                # Of a PNG without it, `getexif` would read the whole file.
                known = image.format != "PNG" or "exif" in image.info
                lying = known and image.getexif().get(_ORIENTATION) in _LYING
                size = image.size if lying else image.size[::-1]
                grey = image.mode in _GREY or image.mode.startswith("I")
        except Exception:  # Pillow's decoders raise errors of many kinds
            continue
        found.sizes[size] += 1
        found.first.setdefault(size, name)
        found = found._replace(colour=found.colour or not grey)
    return found


def say_scaled(location: Location, shape: Shape) -> list[str]:
    """What a reader must know of a folder whose pictures are read at another size."""
    kind, _, argument = location.path.partition(":")
    if kind == "tfds":
        return _say_stored(argument, shape)
    if kind == "mnist" and shape not in _DIGITS:
        return [f"{location.given}: digits of 28x28 were scaled to {_shown(shape)}"]
    if kind != "folder":
        return []
    found = survey(argument, location.split)
    as_wanted = found.sizes.pop((shape[0], shape[1]), 0)
    if not found.sizes:
        return []
    total = sum(found.sizes.values())
    return [
        f"{total:,} of {total + as_wanted:,} pictures in {location.given} were scaled "
        f"and cropped to {_shown(shape)}: {found}"
    ]


def _shown(shape: Shape) -> str:
    return f"{shape[1]}x{shape[0]}"


def _say_stored(argument: str, shape: Shape) -> list[str]:
    height, width, *_ = (*stored_shape(argument), None, None)
    if height == shape[0] and width == shape[1]:
        return []
    size = f"{width}x{height}" if height and width else "sizes of their own"
    scaled = f"were scaled and cropped to {_shown(shape)}"
    return [f"pictures of tfds:{argument} have {size} and {scaled}"]
