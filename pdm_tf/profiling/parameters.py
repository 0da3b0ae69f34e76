"""How many numbers a model has learned: the one count of parameters."""

from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
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


def count_saved_parameters(directory: str | Path) -> int:
    """The same of a SavedModel's variables, read from its files alone."""
    prefix = Path(directory) / "variables" / "variables"
    reader = tf.train.load_checkpoint(str(prefix))
    types = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    return sum(prod(shapes[name]) for name in shapes if types[name].is_floating)
