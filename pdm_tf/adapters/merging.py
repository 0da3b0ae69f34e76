"""Adapters written into the weights of their base, and taken out again."""

from collections.abc import Iterator

import keras
import tensorflow as tf

from pdm_tf.adapters.lora import Lora
from pdm_tf.networks.transforms import LayerPlan, LayerTransform, Stacked, layers_of


def merge(network: keras.Model, plan: LayerPlan) -> None:
    """Adds a plan's adapters to the kernels: without a plan the network then computes
    what it computed in this one, bit for bit.

    Everything that shares the network sees the change; a teacher that shares it is no
    teacher any more. An export folds adapters into its constants by itself and needs no
    merging.

    Args:
      network: whose kernels are changed.
      plan: adapters alone, several of a layer stacked; at their scales.

    Raises:
      TypeError: another transform than an adapter.
    """
    _write(network, plan, 1.0)


def unmerge(network: keras.Model, plan: LayerPlan) -> None:
    """Takes a plan's adapters out of the kernels again, exact to rounding.

    Raises:
      TypeError: another transform than an adapter.
    """
    _write(network, plan, -1.0)


def _write(network: keras.Model, plan: LayerPlan, factor: float) -> None:
    layers = layers_of(network)
    changed = {path: list(_adapters(change)) for path, change in plan.items()}
    for path, adapters in changed.items():
        kernel: tf.Tensor = layers[path].kernel.value
        for adapter in adapters[:: int(factor)]:  # taken out in reverse
            kernel = adapter.rescaled(factor).kernel(kernel)
        layers[path].kernel.assign(kernel)


def _adapters(transform: LayerTransform) -> Iterator[Lora]:
    members = transform.members if isinstance(transform, Stacked) else [transform]
    for member in members:
        if isinstance(member, Stacked):
            yield from _adapters(member)
        elif isinstance(member, Lora):
            yield member
        else:
            raise TypeError(f"{type(member).__name__} cannot be merged into a kernel")
