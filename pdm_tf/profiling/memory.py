"""How much memory a traced function needs at once, read from its graph.

Operations are taken in the order in which they were traced, but for those that wait
for nothing but weights: TensorFlow begins with them. A result lives until its last
reader is done; results that are views of others, or may be written over their input,
take nothing; convolutions and products copy what they read into a layout of their own.

The graph takes memory too, for small batches most of it: what each operation takes
once traced, optimised and made ready to run was measured with TensorFlow 2.21 on two
processor cores (`pdm_tf.doctor.measured_memory`).
"""

import math
from collections import Counter

import tensorflow as tf

from pdm_tf.profiling.tpu import graphs_within

_STARTED = 71 * 2**20  # bytes: threads, kernels and oneDNN, at the first call
_OPERATION = 18_500  # bytes of each operation, with all its copies while optimised
_SPARE = 0.15  # of all other bytes, in holes that the allocator keeps between them
_VIEWS = {
    "ExpandDims",
    "Identity",
    "IdentityN",
    "Reshape",
    "Squeeze",
    "StopGradient",
}
_COPYING = {
    "BatchMatMulV2",
    "Conv2D",
    "Conv2DBackpropFilter",
    "Conv2DBackpropInput",
    "MatMul",
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


def held_bytes(
    function: tf.types.experimental.ConcreteFunction, kept: int
) -> tuple[int, int]:
    """Bytes that running a function takes: for its results, and on its host besides.

    The second are its graph, TensorFlow's own start, and what the host's allocator
    leaves empty between blocks.

    Args:
      function: what runs.
      kept: bytes of variables, which count in neither.
    """
    graphs = graphs_within(function.graph)
    operations = sum(len(graph.get_operations()) for graph in graphs)
    results = peak_bytes(function)
    holes = int(_SPARE * (results + kept))
    return results, _STARTED + _OPERATION * operations + holes


def _peak_of(graph: tf.Graph) -> int:
    operations = _in_order(graph.get_operations())
    readers = Counter(x.name for operation in operations for x in operation.inputs)
    readers.update(x.name for x in graph.outputs)
    buffers: dict[str, _Buffer] = {}
    live = peak = 0
    for operation in operations:
        inputs = [buffers[x.name] for x in operation.inputs]
        peak = max(peak, live + _inner_peak(operation) + _copied(operation))
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


def _in_order(operations: list[tf.Operation]) -> list[tf.Operation]:
    """Operations as TensorFlow runs them: first those that wait for weights alone."""
    ready: set[tf.Operation] = set()
    for operation in operations:
        before = [x.op for x in operation.inputs] + operation.control_inputs
        if all(other in ready for other in before) and _is_ready(operation):
            ready.add(operation)
    return sorted(operations, key=lambda operation: operation not in ready)


def _is_ready(operation: tf.Operation) -> bool:
    """Whether an operation waits for its inputs alone, and is no work of its own."""
    if operation.type == "Placeholder":  # weights, or results of other graphs
        return operation.outputs[0].dtype == tf.resource
    return operation.type in {"Const", "ReadVariableOp", "Cast", *_VIEWS, *_IN_PLACE}


def _copied(operation: tf.Operation) -> int:
    """What a kernel lays out anew before it computes, and its result."""
    if operation.type not in _COPYING:
        return 0
    return sum(map(_size, [*operation.inputs, *operation.outputs]))


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
