"""How much memory a traced function needs at once, read from its graph.

Operations are taken in the order in which they were traced. A result lives until its
last reader is done; results that are views of others, or may be written over their
input, take nothing. On a processor the allocator may hold some 0.3 GiB beside that,
which it keeps for blocks of middling size.
"""

import math
from collections import Counter

import tensorflow as tf

_VIEWS = {
    "ExpandDims",
    "Identity",
    "IdentityN",
    "Reshape",
    "Squeeze",
    "StopGradient",
}
_OUTSIDE = {"Const", "Placeholder", "ReadVariableOp", "VariableV2"}
_IN_PLACE = {  # may write over an input of the same size that nobody else reads
    "Add",
    "AddN",
    "AddV2",
    "Cast",
    "Div",
    "Exp",
    "Maximum",
    "Minimum",
    "Mul",
    "Neg",
    "RealDiv",
    "Rsqrt",
    "Sigmoid",
    "SigmoidGrad",
    "Softmax",
    "Sqrt",
    "Square",
    "Sub",
}


def _size(tensor: tf.Tensor) -> int:
    if tensor.dtype in (tf.resource, tf.variant, tf.string):
        return 0
    if not tensor.shape.is_fully_defined():
        return 0
    return math.prod(tensor.shape) * tensor.dtype.size


class _Buffer:
    """Memory that one result or several views of it share."""

    def __init__(self, size: int) -> None:
        self.size, self.readers = size, 0  # readers still to come


def peak_bytes(function: tf.types.experimental.ConcreteFunction) -> int:
    """Most bytes that the results of a function take at once, its variables apart."""
    return _peak_of(function.graph)


def _peak_of(graph: tf.Graph) -> int:
    operations = graph.get_operations()
    readers = Counter(x.name for operation in operations for x in operation.inputs)
    readers.update(x.name for x in graph.outputs)
    buffers: dict[str, _Buffer] = {}
    live = peak = 0
    for operation in operations:
        inputs = [buffers[x.name] for x in operation.inputs]
        peak = max(peak, live + _inner_peak(operation))
        for i, output in enumerate(operation.outputs):
            buffer = _reused(operation, inputs, i, _size(output))
            if buffer is None:
                buffer = _Buffer(_size(output))
                live += buffer.size
            buffer.readers += readers[output.name]
            buffers[output.name] = buffer
        peak = max(peak, live)
        for buffer in inputs:
            buffer.readers -= 1
        results = [buffers[x.name] for x in operation.outputs]
        ended = {id(buffer): buffer for buffer in [*inputs, *results]}
        for buffer in ended.values():
            if buffer.readers == 0:
                live -= buffer.size
                buffer.size = 0
    return peak


def _inner_peak(operation: tf.Operation) -> int:
    """Of the functions that an operation calls, that which needs most."""
    names = [
        operation.get_attr(attribute.name).name
        for attribute in operation.op_def.attr
        if attribute.type == "func"
    ]
    graphs = (operation.graph._get_function(name).graph for name in names)
    return max((_peak_of(graph) for graph in graphs), default=0)


def _reused(
    operation: tf.Operation, inputs: list[_Buffer], output: int, size: int
) -> _Buffer | None:
    """The memory that a result does not need of its own."""
    if operation.type in _OUTSIDE:
        return _Buffer(0)
    if operation.type in _VIEWS and inputs:
        return inputs[min(output, len(inputs) - 1)]
    if operation.type in _IN_PLACE:
        for buffer in inputs:
            if buffer.readers == 1 and buffer.size == size:
                return buffer
    return None
