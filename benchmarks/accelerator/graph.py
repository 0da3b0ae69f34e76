"""A function as StableHLO, which any XLA compiles, and all that it reads."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

# An argument whose memory becomes an output's, which is its new value.
_ALIAS = re.compile(
    r"parameter_number = (\d+) : i64}, output_index = array<i64(?:: (\d+))?>"
)


class Graph:
    """A function with static shapes, and all that it reads.

    Args:
      function: of the inputs.
      inputs: their shapes and types.
    """

    def __init__(
        self, function: Callable[..., Any], inputs: list[tf.TensorSpec]
    ) -> None:
        self.function = tf.function(function, jit_compile=True, autograph=False)
        self.inputs = inputs

    def text(self) -> str:
        """As StableHLO; variables come as arguments after the inputs."""
        ir = self.function.experimental_get_compiler_ir(*self.inputs)
        return ir(stage="stablehlo", platform_name="CPU")

    def captured(self) -> list[tf.Tensor]:
        """What it reads beside its inputs, in the order of the arguments."""
        return list(self.function.get_concrete_function(*self.inputs).captured_inputs)

    def values(self) -> list[np.ndarray]:
        """Of what it reads, as they are now."""
        return [_value(captured) for captured in self.captured()]


def changed_in(text: str) -> list[tuple[int, int]]:
    """Arguments that a graph changes, each with the output that is its new value."""
    return [(int(index), int(output or 0)) for index, output in _ALIAS.findall(text)]


def kind_of(handle: tf.Tensor) -> tf.DType:
    """Of the variable that a handle is of."""
    return tf.dtypes.as_dtype(handle._handle_data.shape_and_type[0].dtype)


def _value(captured: tf.Tensor) -> np.ndarray:
    """Of a constant, or of the variable that a handle is of."""
    if captured.dtype != tf.resource:
        return captured.numpy()
    kind = kind_of(captured)
    return tf.raw_ops.ReadVariableOp(resource=captured, dtype=kind).numpy()
