"""The shelf of data sets, and what every one of them offers.

A new source is a function from (argument, shape, num_classes, split) to a `Source`,
and one more line in `SHELF`. The argument is what stands behind the colon of
`--dataset=folder:PATH`.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from pdm_tf.config.conditioning import Conditions
from pdm_tf.data.digits import open_digits
from pdm_tf.data.emoji import open_emoji
from pdm_tf.data.folder import open_folder
from pdm_tf.data.images import checked_shape
from pdm_tf.data.photos import open_photos
from pdm_tf.data.tfds import open_tfds
from pdm_tf.errors import SettingError

Shape = tuple[int, int, int]


class Source(Protocol):
    """Pictures that can be read in any order, always the same under one index."""

    @property
    def name(self) -> str:
        """What was opened, as the user wrote it."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name per label; empty where there are no classes (all labels are 0)."""

    @property
    def skipped(self) -> tuple[str, ...]:
        """Files found broken so far."""

    def __len__(self) -> int:
        """How many pictures there are."""

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int64 [B] -> pictures uint8 [B, H, W, C] and labels int32 [B].

        Or, in the place of labels, rows of conditions, float32 [B, n].
        """


Opener = Callable[[str, Shape, int, str], Source]

SHELF: dict[str, Opener] = {
    "mnist": open_digits,
    "photos": open_photos,
    "emoji": open_emoji,
    "folder": open_folder,
    "tfds": open_tfds,
}


def open_source(
    dataset: str,
    image_shape: tuple[int, ...],
    num_classes: int = 0,
    split: str = "train",
    data_dir: str = "",
    download: bool = False,
    conditions: Conditions | None = None,
) -> Source:
    """Opens a source of pictures by the name that `--dataset` takes.

    Args:
      dataset: "mnist", "mnist:7=0.02", "photos",
        "emoji", "emoji:FONT", "folder:PATH" or "tfds:NAME".
      image_shape: (H, W, C) in pixels, C of 1 or 3.
      num_classes: exactly the source's number of classes, or 0 where labels do not
        matter (a folder is then not searched for classes).
      split: "train", or "test" for pictures that "train" does not hold.
      data_dir: where the data sets lie that tfds names.
      download: whether tfds may fetch one that is missing; nothing else ever does.
      conditions: what is read in the place of labels, of a folder; None: labels.

    Raises:
      InputError: no such source, no pictures, other classes, or an impossible shape.
    """
    kind, _, argument = dataset.partition(":")
    if kind not in SHELF:
        raise SettingError(
            "dataset",
            dataset,
            f"no such source; give {', '.join(SHELF)} (a folder as folder:PATH, a "
            "prepared data set as tfds:NAME or tfds:PATH)",
        )
    if split not in ("train", "test"):
        raise SettingError("split", split, "give train or test")
    shape = checked_shape(image_shape)
    if conditions and kind != "folder":
        raise SettingError(
            "dataset", dataset, "has no attributes and one label each; give folder:PATH"
        )
    if kind == "tfds":  # the one source that does not lie where its argument says
        return open_tfds(argument, shape, num_classes, split, data_dir, download)
    if conditions:
        return open_folder(argument, shape, num_classes, split, conditions)
    return SHELF[kind](argument, shape, num_classes, split)
