"""How many numbers a model has learned: the one count of parameters."""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import tensorflow as tf


def count_parameters(
    variables: Mapping[str, Any] | Iterable[Any],
) -> int:
    """Numbers in the floating-point variables among these.

    Counters, seeds and quantised codes do not count.

    Args:
      variables: of TensorFlow or Keras, or a mapping to them by name.
    """
    held: Any = variables.values() if isinstance(variables, Mapping) else variables
    return sum(prod(v.shape) for v in held if tf.as_dtype(v.dtype).is_floating)


def count_bytes(variables: Mapping[str, Any] | Iterable[Any]) -> int:
    """Bytes of variables of any type, as `count_parameters` takes them."""
    held: Any = variables.values() if isinstance(variables, Mapping) else variables
    return sum(prod(v.shape) * tf.as_dtype(v.dtype).size for v in held)
