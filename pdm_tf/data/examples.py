"""Serialised examples, as TensorFlow Datasets writes them -> pictures and labels."""

from dataclasses import dataclass, field

import numpy as np

from pdm_tf.config import InputError
from pdm_tf.data.decoding import Conversions
from pdm_tf.data.images import read_picture
from pdm_tf.data.records import Records


@dataclass(frozen=True)
class Examples:
    """Pictures out of records, with their labels as a by-product.

    A label stands in its record and is known once the record is read; it is noted in
    `labels` by then.
    """

    records: Records
    image_shape: tuple[int, int, int]
    image: str  # names of the features
    label: str  # or empty
    classes: int
    labels: np.ndarray  # int32 [N], filled on the way
    conversions: Conversions = field(default_factory=Conversions)

    def __call__(self, index: int) -> np.ndarray:
        """uint8 [H, W, C]; InputError where the record holds no picture or label."""
        import tensorflow as tf

        try:
            record = self.records.read(index)
            features = tf.train.Example.FromString(record).features.feature
            (encoded,) = features[self.image].bytes_list.value
            if self.label:
                (label,) = features[self.label].int64_list.value
                self.labels[index] = self._checked(label)
        except Exception as error:  # protobuf raises errors of its own kinds
            raise InputError(f"record {index} is broken ({error})") from error
        return read_picture(encoded, self.image_shape, self.conversions)

    def _checked(self, label: int) -> int:
        if not 0 <= label < self.classes:  # unlabelled test pictures have -1
            raise ValueError(f"no label from 0 to {self.classes - 1}: {label}")
        return label
