"""Gradients in closed form for training, TensorFlow's own for graphs that are served.

A gradient that is saved with a graph is registered by whoever loads it, and what is
registered is never given back, nor are the weights that are constants of that graph.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

_PLAIN: ContextVar[bool] = ContextVar("plain", default=False)


@contextmanager
def derived_by_tensorflow() -> Iterator[None]:
    """While entered, graphs of networks have no gradients in closed form."""
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


def is_derived_by_tensorflow() -> bool:
    """Whether a graph is made now that has no gradients in closed form."""
    return _PLAIN.get()


def silu(x: tf.Tensor) -> tf.Tensor:
    """x · sigmoid(x) (arXiv 1702.03118)."""
    return x * tf.sigmoid(x) if _PLAIN.get() else tf.nn.silu(x)
