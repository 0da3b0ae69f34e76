"""The pictures whose likelihood is measured, with their classes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdm_tf.config import EvaluationConfig, InputError
from pdm_tf.data.sources import Source, open_source
from pdm_tf.errors import SettingError
from pdm_tf.evaluation import npz
from pdm_tf.evaluation.likelihood import Batches
from pdm_tf.evaluation.places import Place, locate

SEEDS = 2**31  # of int32; picture k has seed + k


@dataclass(frozen=True)
class Judged:
    """Pictures to judge a model by.

    Attributes:
      count: how many.
      batches: batch size -> pictures uint8 [B, H, W, C] and classes int32 [B].
      describe: what a report says of them, once all were read.
      warnings: what a reader of the figures must know.
    """

    count: int
    batches: Callable[[int], Batches]
    describe: Callable[[], dict[str, Any]]
    warnings: list[str]


def open_reference(
    config: EvaluationConfig, image_shape: tuple[int, ...], num_classes: int
) -> Judged:
    """Opens --reference; of a source the held-out part, unless @train is added.

    With --num_images a source gives a random choice of its pictures, since sources may
    be sorted by class, and an npz gives its first ones.

    Args:
      config: the settings.
      image_shape: the model's (H, W, C).
      num_classes: classes that the model is told; 0 for none.

    Raises:
      InputError: no such pictures, another shape, too few, or other classes.
    """
    place = locate("reference", config.reference)
    if config.image_shape and tuple(config.image_shape) != tuple(image_shape):
        raise InputError(
            f"--image_shape={_shown(config.image_shape)}: the model of --run_dir makes "
            f"pictures of {_shown(image_shape)}; leave the flag out"
        )
    if place.kind == "SavedModel":
        raise InputError(
            f"--reference={place.given}: a model; --likelihood needs pictures that "
            "were not drawn, such as mnist, folder:PATH or an npz"
        )
    opened = _open_npz if place.kind == "npz" else _open_source
    return opened(place, config, tuple(image_shape), num_classes)


def _shown(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape))


def _limit(config: EvaluationConfig, there: int) -> int:
    """How many pictures to take of those that are there."""
    count = config.num_images or there
    if count > there:
        raise InputError(
            f"--num_images={count}: {config.reference} has {there} pictures; ask for "
            "fewer, or leave the flag out"
        )
    if count < 2:
        raise InputError(
            f"--reference={config.reference}: {count} picture has no spread and so no "
            "standard error; take two at least"
        )
    if config.seed + count > SEEDS:
        raise InputError(
            f"--seed={config.seed}: choose one up to {SEEDS - count:,} for {count:,} "
            "pictures"
        )
    return count


def _open_source(
    place: Place, config: EvaluationConfig, shape: tuple[int, ...], num_classes: int
) -> Judged:
    asked = place.given.endswith(("@train", "@test"))
    split = place.split if asked else "test"
    source = _source(place, shape, num_classes, split)
    count = _limit(config, len(source))
    chosen = np.arange(len(source))
    if count < len(source):
        random = np.random.default_rng(config.seed)
        chosen = np.sort(random.choice(len(source), count, replace=False))

    def batches(size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, count, size):
            yield source.read(chosen[start : start + size])

    def describe() -> dict[str, Any]:
        told = _described(place, count, shape)
        return {**told, "split": split, "skipped": list(source.skipped)}

    seen = split == "train"
    return Judged(count, batches, describe, [_TRAINED] if seen else [])


_TRAINED = (
    "these pictures are for training; a model that learned them by heart looks better "
    "on them than it is"
)


def _source(
    place: Place, shape: tuple[int, ...], num_classes: int, split: str
) -> Source:
    try:
        return open_source(place.path, shape, num_classes, split)
    except SettingError as error:
        remedy = error.named("reference").remedy
        if "held out" in remedy:
            remedy += f"; or judge by all of them with `reference={place.given}@train`"
        if "num_classes" in f"{error.setting} {remedy}":
            remedy = (
                f"its classes are not the model's {num_classes}; give others, or "
                "`tell_labels=false`"
            )
        elif error.setting != "dataset":
            raise
        raise SettingError("reference", place.given, remedy) from error


def _open_npz(
    place: Place, config: EvaluationConfig, shape: tuple[int, ...], num_classes: int
) -> Judged:
    there, *found = npz.picture_shape(place.flag, place.path)
    if tuple(found) != shape:
        raise InputError(
            f"--reference={place.given}: pictures of {_shown(tuple(found))}, the model "
            f"of --run_dir makes {_shown(shape)}; give pictures of that shape"
        )
    count = _limit(config, there)
    labels = np.zeros(count, np.int32)
    if num_classes:
        labels = _labels(place, count, num_classes)

    def batches(size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        pictures = npz.read_pictures(place.flag, place.path, count, size)
        for i, batch in enumerate(pictures):
            yield batch, labels[i * size : i * size + len(batch)]

    return Judged(count, batches, lambda: _described(place, count, shape), [])


def _labels(place: Place, count: int, num_classes: int) -> np.ndarray:
    """The npz's array `labels`: int32 [count]."""
    labels = npz.read_arrays(place.flag, place.path, {"labels"}).get("labels")
    sound = (
        labels is not None
        and labels.ndim == 1
        and len(labels) >= count
        and labels.dtype.kind in "iu"
        and 0 <= labels.min() <= labels.max() < num_classes
    )
    if not sound or labels is None:
        raise InputError(
            f"--reference={place.given}: has no array labels of the model's "
            f"{num_classes} classes; add one, or give --tell_labels=false"
        )
    return labels[:count].astype(np.int32)


def _described(place: Place, count: int, shape: tuple[int, ...]) -> dict[str, Any]:
    told = {"given": place.given, "kind": place.kind, "count": count}
    return {**told, "image_shape": list(shape)}
