"""The two sides of an evaluation, opened: pictures in order, batch by batch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.data.images import checked_shape
from pdm_tf.data.pipeline import pictures_in_order
from pdm_tf.data.sources import open_source
from pdm_tf.errors import SettingError
from pdm_tf.evaluation import npz
from pdm_tf.evaluation.models import Drawn
from pdm_tf.evaluation.places import Place, natural_shape

DRAWN = 10_000  # pictures of a SavedModel, unless --num_images says otherwise

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Pictures:
    """One side, opened.

    Attributes:
      place: where it is.
      count: how many pictures there are.
      image_shape: (H, W, C) in pixels.
      batches: batch size -> the pictures in order, uint8 [B, H, W, C].
      describe: what a report says of it, once all were read.
      cost: what drawing them took; None where they were there before.
    """

    place: Place
    count: int
    image_shape: Shape
    batches: Callable[[int], Iterator[np.ndarray]]
    describe: Callable[[], dict[str, Any]] = field(default=dict)
    cost: Callable[[], dict[str, Any]] | None = None


def open_sides(places: Sequence[Place], config: EvaluationConfig) -> list[Pictures]:
    """Opens all sides at one shape.

    The shape is --image_shape, or that of the pictures which are drawn or stored as
    arrays; only sources and folders can follow it. Where there are none but these,
    the first one's own shape decides.

    Raises:
      InputError: pictures of different shapes, or too few.
    """
    shape: Shape = config.image_shape and checked_shape(config.image_shape)
    openers = {"npz": _open_npz, "SavedModel": _open_model}
    opened: dict[Place, Pictures] = {}
    for place in places:
        if place.kind in openers:
            opened[place] = openers[place.kind](place, config)
            shape = shape or opened[place].image_shape
    for place in places:
        if place not in opened:
            shape = shape or natural_shape(place)
            opened[place] = _open_source(place, config, shape)
    for place in places:
        _check(opened[place], shape)
    return [opened[place] for place in places]


def _check(pictures: Pictures, shape: Shape) -> None:
    place, found = pictures.place, pictures.image_shape
    if found != shape:
        wanted, other = ("x".join(map(str, s)) for s in (shape, found))
        raise InputError(
            f"--{place.flag}={place.given}: pictures of {other}, while the evaluation "
            f"is of {wanted}; both sides, and --image_shape if given, must agree"
        )
    if pictures.count < 2:
        raise InputError(
            f"--{place.flag}={place.given}: {pictures.count} picture has no spread; "
            "give two at least, and thousands for figures that mean something"
        )


def _limit(place: Place, there: int, config: EvaluationConfig) -> int:
    if place.flag != "samples" or not config.num_images:
        return there
    if config.num_images > there:
        raise InputError(
            f"--num_images={config.num_images}: {place.given} has {there} pictures; "
            "ask for fewer, or leave the flag out"
        )
    return config.num_images


def _open_npz(place: Place, config: EvaluationConfig) -> Pictures:
    there, *shape = npz.picture_shape(place.flag, place.path)
    count = _limit(place, there, config)

    def describe() -> dict[str, Any]:
        labels = npz.read_arrays(place.flag, place.path, {"labels"}).get("labels")
        if labels is None or len(labels) < count:
            return {"label_policy": "not told by the file"}
        classes, times = np.unique(labels[:count], return_counts=True)
        share = f"{len(classes)} classes, {times.min()} to {times.max()} pictures each"
        return {"label_policy": share}

    def batches(size: int) -> Iterator[np.ndarray]:
        return npz.read_pictures(place.flag, place.path, count, size)

    return Pictures(place, count, tuple(shape), batches, describe)


def _open_model(place: Place, config: EvaluationConfig) -> Pictures:
    drawn = Drawn(place.flag, place.path, config)
    count = config.num_images or DRAWN
    return Pictures(
        place,
        count,
        drawn.image_shape,
        lambda size: drawn.batches(count, size),
        drawn.describe,
        drawn.cost,
    )


def _open_source(place: Place, config: EvaluationConfig, shape: Shape) -> Pictures:
    try:
        source = open_source(place.path, shape, split=place.split)
    except SettingError as error:
        if error.setting != "dataset":
            raise
        raise error.named(place.flag) from error
    count = _limit(place, len(source), config)

    def batches(size: int) -> Iterator[np.ndarray]:
        left = count
        for pictures, _ in pictures_in_order(source, size):
            if left <= 0:
                return
            yield pictures[:left]
            left -= len(pictures)

    def describe() -> dict[str, Any]:
        told = {"split": place.split, "label_policy": "as in the source"}
        return {**told, "skipped": list(source.skipped)}

    return Pictures(place, count, tuple(shape), batches, describe)
