"""What a network and a process cost: parameters, operations, memory."""

import resource
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

LARGEST = 2**31 - 2**28  # bytes of weights that a frozen graph can hold
_PRODUCTS = {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"}
_BRANCHES = {"If", "StatelessIf", "Switch", "While", "StatelessWhile"}
_CONVOLUTIONS = {"Conv2D", "DepthwiseConv2dNative"}


def count_parameters(directory: Path) -> int:
    """Numbers in the floating-point variables of a SavedModel that does not say."""
    reader = tf.train.load_checkpoint(str(directory / "variables" / "variables"))
    types = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    return sum(prod(shapes[name]) for name in shapes if types[name].is_floating)


def count_flops(denoise: Callable, image_shape: tuple[int, ...]) -> int | None:
    """Floating-point operations of one evaluation for one picture.

    A multiplication and an addition count as two. Convolutions and products of
    matrices are counted, whatever is done pixel by pixel is not.

    Args:
      denoise: a function of z [N, H, W, C], t [N], labels [N].
      image_shape: (H, W, C).

    Returns:
      A number, or None where the graph does not tell its shapes, has branches (as a
      split model may), or is too large.
    """
    z = tf.TensorSpec([1, *image_shape], tf.float32)
    one = tf.TensorSpec([1], tf.int32)
    ask = tf.function(lambda z, t, labels: denoise(z=z, t=t, labels=labels))
    concrete = ask.get_concrete_function(z, one, one)
    weights = (prod(v.shape) * v.dtype.size for v in concrete.graph.variables)
    if sum(weights) > LARGEST:
        return None
    # Aggressive, since the network is a function that asks not to be inlined.
    with_constant_weights = convert_variables_to_constants_v2(
        concrete, aggressive_inlining=True
    )
    operations = with_constant_weights.graph.get_operations()
    if any(op.type in _BRANCHES for op in operations):
        return None
    try:
        return sum(_operations(op) for op in operations)
    except (ValueError, TypeError):  # a shape that is not known
        return None


def _operations(op: tf.Operation) -> int:
    """Of one node; a TypeError or ValueError tells that its shapes are not known."""
    if op.type in _CONVOLUTIONS:
        kernel = op.inputs[1].shape.as_list()  # [height, width, in, out]
        terms = prod(kernel[:3] if op.type == "Conv2D" else kernel[:2])
    elif op.type == "Conv2DBackpropInput":  # a transposed convolution
        places = op.inputs[2].shape.as_list()[:3]
        return 2 * prod(op.inputs[1].shape.as_list()) * prod(places)
    elif op.type in _PRODUCTS:
        turned = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
        terms = op.inputs[0].shape.as_list()[-2 if turned else -1]
    elif op.type == "Einsum":
        terms = _summed(op)
    else:
        return 0
    return 2 * terms * prod(op.outputs[0].shape.as_list())


def _summed(op: tf.Operation) -> int:
    """Terms of each sum in an einsum: the product of the axes that vanish."""
    inputs, output = op.get_attr("equation").decode().split("->")
    sides: dict[str, int] = {}
    for axes, tensor in zip(inputs.split(","), op.inputs, strict=True):
        sides.update(zip(axes, tensor.shape.as_list(), strict=True))
    return prod(side for axis, side in sides.items() if axis not in output)


def peak_memory() -> dict[str, int]:
    """Most bytes held so far: by the process, and on each GPU."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    for i, _ in enumerate(tf.config.list_logical_devices("GPU")):
        peak[f"GPU:{i}"] = tf.config.experimental.get_memory_info(f"GPU:{i}")["peak"]
    return peak
