"""Blocks computed a second time on the way back, which need not keep what is inside.

Gradient checkpointing (arXiv 1604.06174). Keras' own `RematScope` computes a block
again outside of the plan of layer transforms in force, and then the gradients of
transforms are silently wrong; here the scopes are entered again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

from pdm_tf.networks.transforms import (
    conditions,
    current_conditions,
    current_plan,
    transformed,
)

_RECOMPUTING: ContextVar[bool] = ContextVar("recomputing", default=False)


@contextmanager
def recomputing(active: bool = True) -> Iterator[None]:
    """While entered, networks compute their blocks again for gradients, if active.

    What is called must be traced inside: a `tf.function` stays as it was traced.
    """
    token = _RECOMPUTING.set(active)
    try:
        yield
    finally:
        _RECOMPUTING.reset(token)


def apply_recomputed(
    block: Callable[..., tf.Tensor], *inputs: tf.Tensor | None
) -> tf.Tensor:
    """The block's output; of all that is inside nothing is kept where `recomputing`.

    Args:
      block: inputs -> output; gradients reach the inputs and any variables.
      *inputs: tensors or None.
    """
    if not _RECOMPUTING.get():
        return block(*inputs)
    plan, (t, labels) = current_plan(), current_conditions()

    @tf.recompute_grad
    def compute(*tensors: tf.Tensor) -> tf.Tensor:
        given = iter(tensors)
        whole = (None if x is None else next(given) for x in inputs)
        with transformed(plan), conditions(t, labels):
            return block(*whole)

    return compute(*(x for x in inputs if x is not None))
