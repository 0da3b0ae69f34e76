"""Data sets that TensorFlow Datasets prepared, read in any order.

The TFRecord files are read by position and not as a stream. A stream is shuffled in a
buffer, whose contents no restart finds again; by position every epoch is a permutation,
and the batch of any step is known at once. Each picture is a read somewhere else, so
the files belong on a solid-state disk or into the page cache.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from pdm_tf.data.classes import check_classes
from pdm_tf.data.examples import Examples
from pdm_tf.data.reading import InMemory, OnDemand, kept_in_memory
from pdm_tf.data.records import Records, index_records
from pdm_tf.data.stores import open_store
from pdm_tf.errors import SettingError

_HELD_OUT = ("test", "validation", "val")  # splits taken for testing, the first found
_PARTED = re.compile(r"(.+?):([A-Za-z_][^/]*)")  # a version begins with no letter


def open_tfds(
    argument: str,
    image_shape: tuple[int, int, int],
    num_classes: int,
    split: str,
    data_dir: str = "",
    download: bool = False,
) -> InMemory | OnDemand:
    """A prepared data set: NAME or PATH, and a split of it.

    Pictures are scaled and cropped as those of a folder. Up to 1 GiB of decoded
    pictures is kept in memory.

    Args:
      argument: "NAME[/CONFIG][:VERSION][:SPLIT]" or "PATH[:SPLIT]", where PATH holds a
        dataset_info.json. SPLIT may be a slice such as train[:90%]; it is what
        training reads, instead of train.
      image_shape: (H, W, C) in pixels, C of 1 or 3.
      num_classes: 0, or the data set's number of classes.
      split: "train", or "test" for the data set's test (or validation, or val).
      data_dir: where NAME lies; empty for the default of TensorFlow Datasets.
      download: let TensorFlow Datasets fetch NAME where it is missing.

    Raises:
      InputError: no such data set, split or picture feature; broken files.
    """
    return kept_in_memory(
        read_tfds(argument, image_shape, num_classes, split, data_dir, download)
    )


def read_tfds(
    argument: str,
    image_shape: tuple[int, int, int],
    num_classes: int = 0,
    split: str = "train",
    data_dir: str = "",
    download: bool = False,
) -> OnDemand:
    """The same, with every picture read from disk when it is needed."""
    name = f"tfds:{argument}"
    location, wanted = _parted(argument)
    builder = open_store(name, location, data_dir, download)
    image, label, class_names = _features(name, builder.info.features, num_classes)
    check_classes(name, num_classes, class_names)
    records = _records(name, builder.info, _chosen(name, builder.info, wanted, split))
    labels = np.zeros(len(records), np.int32)
    make = Examples(records, image_shape, image, label, len(class_names), labels)
    title = "record {}".format
    return OnDemand(name, image_shape, make, title, labels, class_names)


def stored_shape(argument: str, data_dir: str = "") -> tuple[int | None, ...]:
    """(H, W, C) of the pictures as the metadata of a data set gives it.

    None stands for what differs from picture to picture.

    Raises:
      InputError: no such data set, or none with one feature that is a picture.
    """
    name, (location, _) = f"tfds:{argument}", _parted(argument)
    features = open_store(name, location, data_dir, False).info.features
    return tuple(features[_features(name, features, 0)[0]].shape)


def _parted(argument: str) -> tuple[str, str]:
    """ "location:split" -> location, split; a version keeps its colon."""
    parted = _PARTED.fullmatch(argument)
    if not parted or Path(argument).expanduser().exists():
        return argument, ""
    return parted[1], parted[2]


def _features(
    name: str, features: Any, num_classes: int
) -> tuple[str, str, tuple[str, ...]]:
    """Names of the picture's and the label's feature, and the names of the classes."""
    import tensorflow_datasets as tfds

    pictures = [
        key for key, one in features.items() if type(one) is tfds.features.Image
    ]
    labels = [
        key
        for key, one in features.items()
        if isinstance(one, tfds.features.ClassLabel)
    ]
    if len(pictures) > 1 and "image" in pictures:
        pictures = ["image"]
    if len(pictures) != 1:
        raise SettingError(
            "dataset",
            name,
            f"needs one feature that is a picture and has {len(pictures)} "
            f"({', '.join(features)}); give another data set",
        )
    stored = np.dtype(features[pictures[0]].np_dtype)
    if stored not in (np.uint8, np.uint16):
        raise SettingError(
            "dataset",
            name,
            f"its pictures are {stored}, and which number is white is not known; "
            "prepare them as uint8",
        )
    if len(labels) > 1 and ("label" in labels or not num_classes):
        labels = ["label"] if "label" in labels else []
    if len(labels) > 1:
        raise SettingError(
            "num_classes",
            num_classes,
            f"{name} has several labels ({', '.join(labels)}) and none is called "
            "label; set `num_classes=0`",
        )
    if not labels:
        return pictures[0], "", ()
    return pictures[0], labels[0], tuple(features[labels[0]].names)


def _chosen(name: str, info: Any, wanted: str, split: str) -> str:
    """The data set's name for a split."""
    has = ", ".join(info.splits)
    if split == "test":
        if wanted:
            raise SettingError(
                "dataset",
                name,
                f":{wanted} says what is for training; leave it out to read the test "
                f"pictures (splits: {has})",
            )
        for held_out in _HELD_OUT:
            if held_out in info.splits:
                return held_out
        raise SettingError(
            "dataset",
            name,
            f"no pictures are held out for testing (splits: {has}); name part of a "
            "split behind a colon, such as :train[90%:]",
        )
    wanted = wanted or "train"
    try:
        if info.splits[wanted].num_examples:
            return wanted
        fault = "is empty"
    except Exception:  # of several kinds: unknown names, slices that are none
        fault = "is no split of it"
    raise SettingError(
        "dataset",
        name,
        f"{wanted} {fault}; name one behind a colon, or a part such as "
        f":{next(iter(info.splits))}[:90%] (splits: {has})",
    )


def _records(name: str, info: Any, split: str) -> Records:
    """The stretches of bytes that are a split's records, in its order."""
    if info.file_format.file_suffix != "tfrecord":
        raise SettingError(
            "dataset",
            name,
            f"is stored as {info.file_format.file_suffix}; prepare it with "
            "file_format=tfrecord",
        )
    parts = info.splits[split].file_instructions
    wanted = {str(part.filename) for part in parts}
    index: dict[str, np.ndarray] = {}
    for whole in info.splits.values():
        files = [Path(path) for path in whole.filepaths]
        if not wanted.isdisjoint(map(str, files)):
            kept = files[0].parent / f"records_{whole.name}.npz"
            found = index_records(files, whole.shard_lengths, kept)
            index |= zip(map(str, files), found, strict=True)
    numbers = {file: number for number, file in enumerate(index)}
    spans = []
    for part in parts:
        file = str(part.filename)
        end = len(index[file]) if part.take < 0 else part.skip + part.take
        records = index[file][part.skip : end]
        spans.append(np.insert(records, 0, numbers[file], axis=1))
    return Records(tuple(map(Path, index)), np.concatenate(spans))
