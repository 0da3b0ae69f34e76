"""Floating-point operations of a traced function, read from its graph.

The graph is copied operation by operation, with the functions that it calls written
out in place, so that shapes which a caller knows reach the functions that do not:
those of a SavedModel, for instance, are made for any number of pictures. Nothing is
run and no weight is read.
"""

from collections.abc import Callable, Sequence
from math import prod

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_LOOPS = {"While", "StatelessWhile"}
_BRANCHES = {"If", "StatelessIf", "Case", "StatelessCase"}
_PRODUCTS = {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"}
_CONVOLUTIONS = {"Conv2D", "DepthwiseConv2dNative"}


class _UnknownShape(Exception):
    """A convolution or product whose shapes the graph does not tell."""


def count_flops(function: tf.types.experimental.ConcreteFunction) -> int | None:
    """Floating-point operations of one call of a traced function.

    A multiplication and an addition count as two. Convolutions and products of
    matrices are counted, whatever is done pixel by pixel is not. All functions called
    are included; the body of a loop counts once, since the graph does not tell how
    often it runs, and of branches the dearest counts.

    Returns:
      A number, or None where the graph does not tell a shape that is needed.
    """
    copy = FuncGraph("flops")
    with copy.as_default():
        captured = {
            id(inner): copy.capture(outer) for outer, inner in _captures(function)
        }
        inputs = [
            captured[id(tensor)] if id(tensor) in captured else _unfed(tensor)
            for tensor in function.inputs
        ]
        try:
            return _copied(function.graph, inputs, copy)[0]
        except _UnknownShape:
            return None


def count_call_flops(function: Callable, *specs: tf.TensorSpec) -> int | None:
    """Floating-point operations of one call of a function on inputs of these specs."""
    traced = tf.function(function, autograph=False).get_concrete_function(*specs)
    return count_flops(traced)


def count_denoise_flops(denoise: Callable, image_shape: Sequence[int]) -> int | None:
    """Floating-point operations of one evaluation for one picture.

    Args:
      denoise: a function of z float32 [N, H, W, C], t int32 [N] or for continuous time
        float32, labels int32 [N], by these names or in this order.
      image_shape: (H, W, C).
    """
    one = tf.TensorSpec([1], tf.int32)
    z = tf.TensorSpec([1, *image_shape], tf.float32)
    if hasattr(denoise, "structured_input_signature"):  # of a SavedModel
        t = tf.TensorSpec([1], denoise.structured_input_signature[1]["t"].dtype)
        return count_call_flops(
            lambda z, t, labels: denoise(z=z, t=t, labels=labels), z, t, one
        )
    continuous = getattr(denoise, "continuous_time", False)
    t = tf.TensorSpec([1], tf.float32 if continuous else tf.int32)
    return count_call_flops(denoise, z, t, one)


def _captures(
    function: tf.types.experimental.ConcreteFunction,
) -> list[tuple[tf.Tensor, tf.Tensor]]:
    return [(outer, inner) for outer, inner in function.graph.captures]


def _unfed(tensor: tf.Tensor) -> tf.Tensor:
    return tf.compat.v1.placeholder(tensor.dtype, tensor.shape)


def _copied(
    graph: tf.Graph, inputs: Sequence[tf.Tensor], copy: tf.Graph
) -> tuple[int, list[tf.Tensor]]:
    """Copies a function's graph; returns its operations and its outputs there."""
    known = {id(old): new for old, new in zip(graph.inputs, inputs, strict=True)}
    count = 0
    for node in graph.get_operations():
        if all(id(output) in known for output in node.outputs) and node.outputs:
            continue  # an input
        operations, outputs = _copy_node(
            node, [known[id(i)] for i in node.inputs], copy
        )
        count += operations
        known.update({id(o): n for o, n in zip(node.outputs, outputs, strict=True)})
    return count, [known[id(output)] for output in graph.outputs]


def _copy_node(
    node: tf.Operation, inputs: list[tf.Tensor], copy: tf.Graph
) -> tuple[int, list[tf.Tensor]]:
    def called(name: str, given: list[tf.Tensor]) -> tuple[int, list[tf.Tensor]]:
        inner = node.graph._get_function(name).graph  # there is no public way to it
        return _copied(inner, given, copy)

    if node.type in _CALLS:
        return called(node.get_attr("f").name, inputs)
    if node.type in _LOOPS:
        return called(node.get_attr("body").name, inputs)
    if node.type in _BRANCHES:
        names = ("then_branch", "else_branch")
        branches = (
            node.get_attr("branches")
            if "Case" in node.type
            else [node.get_attr(name) for name in names]
        )
        return max(
            (called(branch.name, inputs[1:]) for branch in branches),
            key=lambda found: found[0],
        )
    made = _same_operation(node, inputs, copy)
    return _flops(made), list(made.outputs)


def _same_operation(
    node: tf.Operation, inputs: list[tf.Tensor], copy: tf.Graph
) -> tf.Operation:
    attributes = {k: v for k, v in node.node_def.attr.items() if k[0] != "_"}
    if any(v.HasField("func") for v in attributes.values()):  # of a data set, perhaps
        outputs = [_unfed(output) for output in node.outputs]
        return outputs[0].op if len(outputs) == 1 else tf.identity_n(outputs)[0].op
    types = [output.dtype for output in node.outputs]
    return copy.create_op(node.type, inputs, types, attrs=attributes)


def _flops(op: tf.Operation) -> int:
    if op.type in _CONVOLUTIONS:
        kernel = _shape(op.inputs[1])  # [height, width, in, out]
        terms = prod(kernel[:3] if op.type == "Conv2D" else kernel[:2])
    elif op.type == "Conv2DBackpropInput":  # a transposed convolution
        return 2 * prod(_shape(op.inputs[1])) * prod(_shape(op.inputs[2])[:3])
    elif op.type in _PRODUCTS:
        turned = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
        terms = _shape(op.inputs[0])[-2 if turned else -1]
    elif op.type == "Einsum":
        terms = _summed(op)
    else:
        return 0
    return 2 * terms * prod(_shape(op.outputs[0]))


def _shape(tensor: tf.Tensor) -> list[int]:
    if not tensor.shape.is_fully_defined():
        raise _UnknownShape
    return tensor.shape.as_list()


def _summed(op: tf.Operation) -> int:
    """Terms of each sum in an einsum: the product of the axes that vanish."""
    inputs, output = op.get_attr("equation").decode().split("->")
    lengths: dict[str, int] = {}
    for axes, tensor in zip(inputs.split(","), op.inputs, strict=True):
        lengths.update(zip(axes, _shape(tensor), strict=True))
    return prod(length for axis, length in lengths.items() if axis not in output)
