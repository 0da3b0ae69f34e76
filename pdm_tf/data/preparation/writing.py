"""TFRecord files and metadata that TensorFlow Datasets reads without code of ours."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from pdm_tf.storage.files import appearing

NAME = "pictures"  # of every data set made here; its directory tells them apart


def make_features(
    image_shape: tuple[int, int, int], class_names: Sequence[str]
) -> tfds.features.FeaturesDict:
    """Picture, name of its file and, with classes, label."""
    features: dict[str, Any] = {
        "image": tfds.features.Image(shape=image_shape, encoding_format="png"),
        "file_name": tfds.features.Text(),
    }
    if class_names:
        features["label"] = tfds.features.ClassLabel(names=list(class_names))
    return tfds.features.FeaturesDict(features)


def shard_path(out: Path, split: str, number: int, count: int) -> Path:
    """Where a file of a split lies."""
    template = tfds.core.ShardedFileTemplate(
        data_dir=out, dataset_name=NAME, split=split, filetype_suffix="tfrecord"
    )
    return Path(template.sharded_filepath(shard_index=number, num_shards=count))


def write_shard(
    path: Path,
    features: tfds.features.FeaturesDict,
    examples: Iterable[Mapping[str, Any]],
) -> int:
    """Writes a file whole or not at all; returns the number of examples.

    Args:
      path: where to; an existing file is replaced.
      features: see `make_features`.
      examples: image as the bytes of a PNG, file_name, and label as its class name.

    Raises:
      OSError: the disk is full, or refuses.
    """
    count = 0
    try:
        with appearing(path) as new, tf.io.TFRecordWriter(str(new)) as writer:
            for example in examples:
                encoded = {**example, "image": io.BytesIO(example["image"])}
                record = features.serialize_example(features.encode_example(encoded))
                # As serialised, the order of features differs from process to process.
                same = tf.train.Example.FromString(record)
                writer.write(same.SerializeToString(deterministic=True))
                count += 1
    except tf.errors.OpError as error:  # such as a full disk
        raise OSError(error.message) from error
    return count


def write_metadata(
    out: Path,
    features: tfds.features.FeaturesDict,
    splits: Mapping[str, Sequence[tuple[int, int]]],
    description: str,
) -> None:
    """Writes what `tfds.builder_from_directory` needs.

    Args:
      out: directory of the data set.
      features: see `make_features`.
      splits: examples and bytes of each file, for each split.
      description: a sentence on where the pictures come from.
    """
    infos = [
        tfds.core.SplitInfo(
            name=split,
            shard_lengths=[count for count, _ in shards],
            num_bytes=sum(size for _, size in shards),
            filename_template=tfds.core.ShardedFileTemplate(
                data_dir=out, dataset_name=NAME, split=split, filetype_suffix="tfrecord"
            ),
        )
        for split, shards in splits.items()
    ]
    tfds.folder_dataset.write_metadata(
        data_dir=str(out),
        features=features,
        split_infos=infos,
        version="1.0.0",
        check_data=False,  # the contact sheet reads it
        description=description,
    )
