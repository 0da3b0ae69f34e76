"""Pictures that lie somewhere, in an npz or a source of data, read in order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pdm_tf.data.pipeline import pictures_in_order
from pdm_tf.data.sources import Source
from pdm_tf.data.sources import open_source as open_data
from pdm_tf.errors import SettingError
from pdm_tf.evaluation.locations import Location
from pdm_tf.storage import picture_npz as npz

Batches = Iterator[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class ImageSource:
    """A set of pictures, opened.

    Attributes:
      location: where it is.
      count: how many pictures there are.
      image_shape: (H, W, C) in pixels.
      labelled: batch size -> the pictures in order, uint8 [B, H, W, C], and their
        classes, int32 [B]; zeros where there are none.
      describe: what a report says of it, once all were read.
      cost: what sampling them took; None where they were there before.
      notes: what a reader of any metric of them must know.
    """

    location: Location
    count: int
    image_shape: tuple[int, ...]
    labelled: Callable[[int], Batches]
    describe: Callable[[], dict[str, Any]] = field(default=dict)
    cost: Callable[[], dict[str, Any]] | None = None
    notes: tuple[str, ...] = ()

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """The pictures in order without their classes: uint8 [B, H, W, C]."""
        return (pictures for pictures, _ in self.labelled(size))


def limited(location: Location, there: int, wanted: int) -> int:
    """How many pictures to take of those that are there; all where wanted is 0."""
    if wanted > there:
        raise SettingError(
            "num_images",
            wanted,
            f"{location.given} has {there} pictures; ask for fewer, or leave it out",
        )
    return wanted or there


def open_npz(location: Location, wanted: int = 0, num_classes: int = 0) -> ImageSource:
    """Opens the first pictures of an npz.

    Args:
      location: of the file.
      wanted: how many; 0 for all.
      num_classes: demands classes below it in the array `labels`; 0 demands none.

    Raises:
      SettingError: no such pictures or classes.
    """
    there, *shape = npz.picture_shape(location.setting, location.path)
    count = limited(location, there, wanted)
    labels = _labels(location, count, num_classes) if num_classes else None

    def labelled(size: int) -> Batches:
        pictures = npz.read_pictures(location.setting, location.path, count, size)
        for i, batch in enumerate(pictures):
            rows = slice(i * size, i * size + len(batch))
            none = np.zeros(len(batch), np.int32)
            yield batch, none if labels is None else labels[rows]

    def describe() -> dict[str, Any]:
        return {"label_policy": _share_of_classes(location, count)}

    return ImageSource(location, count, tuple(shape), labelled, describe)


def _share_of_classes(location: Location, count: int) -> str:
    labels = npz.read_labels(location.setting, location.path, count)
    if labels is None:
        return "not in the file"
    classes, times = np.unique(labels, return_counts=True)
    return f"{len(classes)} classes, {times.min()} to {times.max()} pictures each"


def _labels(location: Location, count: int, num_classes: int) -> np.ndarray:
    """The npz's array `labels` or `arr_1`: int32 [count]."""
    labels = npz.read_labels(location.setting, location.path, count)
    sound = labels is not None and 0 <= labels.min() <= labels.max() < num_classes
    if not sound or labels is None:
        raise location.error(
            f"has no array labels (or arr_1) of whole numbers below the model's "
            f"{num_classes} classes; add one, or give `use_labels=false`"
        )
    return labels.astype(np.int32)


def open_source(
    location: Location,
    shape: tuple[int, ...],
    wanted: int = 0,
    num_classes: int = 0,
    seed: int | None = None,
) -> ImageSource:
    """Opens pictures of a source of data.

    Args:
      location: of the source.
      shape: (H, W, C) to read them at.
      wanted: how many; 0 for all.
      num_classes: exactly its number of classes; 0 where they do not matter.
      seed: takes a random choice, since sources may be sorted by class; None takes the
        first ones.

    Raises:
      SettingError: no such pictures or classes.
    """
    try:
        source = open_data(location.path, shape, num_classes, location.split)
    except SettingError as error:
        if error.setting != "dataset":
            raise
        raise error.named(location.setting) from error
    count = limited(location, len(source), wanted)

    def describe() -> dict[str, Any]:
        skipped = list(source.skipped)
        split = {"split": location.split, "label_policy": "as in the source"}
        return {**split, "skipped": skipped}

    def labelled(size: int) -> Batches:
        if seed is None or count == len(source):
            return _first(source, count, size)
        return _chosen(source, count, size, seed)

    return ImageSource(location, count, tuple(shape), labelled, describe)


def _first(source: Source, count: int, size: int) -> Batches:
    left = count
    for pictures, labels in pictures_in_order(source, size):
        if left <= 0:
            return
        yield pictures[:left], labels[:left]
        left -= len(pictures)


def _chosen(source: Source, count: int, size: int, seed: int) -> Batches:
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(len(source), count, replace=False))
    for start in range(0, count, size):
        yield source.read(chosen[start : start + size])
