"""Blocks of a network watched as they are computed: what each reads and gives."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf

Inputs = tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]  # x, time, classes
Seen = Callable[[keras.layers.Layer, Inputs, tf.Tensor], object]
_SEEN: ContextVar[Seen | None] = ContextVar("seen", default=None)


@contextmanager
def watching_blocks(seen: Seen) -> Iterator[None]:
    """While entered, `seen` gets every block of the way down, the middle and the way up
    after it was computed, its inputs and its output.

    Args:
      seen: whatever it raises ends the call of the network.
    """
    token = _SEEN.set(seen)
    try:
        yield
    finally:
        _SEEN.reset(token)


def report_block(layer: keras.layers.Layer, inputs: Inputs, output: Any) -> None:
    """Gives a block to whoever watches."""
    seen = _SEEN.get()
    if seen is not None:
        seen(layer, inputs, output)
