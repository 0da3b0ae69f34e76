"""Blocks of a network one by one: what each reads and gives on calibration data."""

from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.networks.transforms import LayerPlan, conditions, stacked, transformed
from pdm_tf.networks.watching import Inputs, watching_blocks
from pdm_tf.quantization.calibration import Rows
from pdm_tf.quantization.observing import AT_ONCE, call_eagerly


class BlockData(NamedTuple):
    """What a block reads and gives, a row for each evaluation of a picture."""

    x: np.ndarray  # float32 [R, h, w, c]
    time: np.ndarray  # float32 [R, T]
    classes: np.ndarray  # float32 [R, E]; E = 0 without gates
    t: np.ndarray  # int32 [R]
    labels: np.ndarray  # int32 [R]
    output: np.ndarray  # float32 [R, h, w, C]

    def taken(self, rows: np.ndarray) -> Self:
        """Some rows."""
        return type(self)(*(value[rows] for value in self))


class _Reached(Exception):
    """The block that was looked for is computed: the rest is not needed."""


def _read(
    name: str,
    batch: tuple[tf.Tensor, ...],
    found: list[BlockData],
    layer: Any,
    inputs: Inputs,
    output: tf.Tensor,
) -> None:
    """Keeps what one block reads and gives, and ends the call."""
    if layer.name == name:
        _, t, labels = batch
        found.append(_data(inputs, t, labels, output))
        raise _Reached


def blocks_of(network: Any) -> list[Any]:
    """The blocks of a network in the order in which they are computed."""
    if hasattr(network, "blocks"):
        return list(network.blocks)
    ways = [*network.down, network.middle, *network.up]
    return [layer for layers in ways for layer in layers]


def read_block(
    denoise: NetworkDenoiser, plan: LayerPlan, rows: Rows, name: str
) -> BlockData:
    """What one block reads and gives under a plan above the denoiser's own.

    Args:
      denoise: the network's denoiser.
      plan: what happens to the layers before the block, and in it.
      rows: what the network reads.
      name: of the block.
    """
    found: list[BlockData] = []
    for batch in rows.batches(AT_ONCE):
        seen = partial(_read, name, batch, found)
        with watching_blocks(seen), suppress(_Reached):
            call_eagerly(denoise, batch, plan)
    return BlockData(*map(np.concatenate, zip(*found, strict=True)))


def _data(
    inputs: Inputs, t: tf.Tensor, labels: tf.Tensor, output: tf.Tensor
) -> BlockData:
    x, time, classes = inputs
    count = t.shape[0]
    if classes is None:
        classes = tf.zeros([count, 0])
    values = (x, time, classes, t, labels, output)
    return BlockData(*(np.array(value) for value in values))


def compute_block(
    block: Any, base: LayerPlan, plan: LayerPlan, data: BlockData
) -> tf.Tensor:
    """What a block gives for rows under two plans, that of the base first."""
    classes = data.classes if data.classes.shape[-1] else None
    with transformed(stacked(base, plan)), conditions(data.t, data.labels):
        return block(data.x, data.time, classes)
