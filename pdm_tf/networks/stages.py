"""What passes between the stages of the U-Net."""

from typing import NamedTuple

import tensorflow as tf


class Embedding(NamedTuple):
    """What blocks are conditioned on."""

    time: tf.Tensor  # [1 or B, T]; without a gate the class is in it
    classes: tf.Tensor | None  # [B, E], for class gates
    time_alone: tf.Tensor  # [1 or B, T], without the class: for the variance head


class Features(NamedTuple):
    """What the way down knows of a picture."""

    skips: tuple[tf.Tensor, ...]  # [B, h, w, c] each, outermost first
    bottom: tf.Tensor | None  # after the middle; None where it was not reached


class Output(NamedTuple):
    """What the way up gives."""

    output: tf.Tensor  # float32 [B, H, W, C]: x, eps or v, as trained
    variance: tf.Tensor  # float32 [B, H, W, C] in [0, 1]
    deep: tf.Tensor | None  # [B, h, w, c]: input of the last `live` blocks
