"""What a TPU cannot run, found in a graph on any machine.

XLA for processors compiles more than XLA for TPUs: shapes that depend on values, random
numbers with a state. So the graph itself is read for what TPUs are known to lack
(cloud.google.com/tpu/docs/tensorflow-ops).
"""

import re
from collections.abc import Iterator

import tensorflow as tf

_LACKING = re.compile(
    "|".join(
        [
            "Where|Unique.*|NonMaxSuppression.*",  # shapes that depend on values
            ".*PyFunc.*",  # work on the host
            ".*Decode.*|Print.*|.*Summary.*|StringFormat|AsString",
            "RandomUniform|RandomUniformInt|RandomStandardNormal|TruncatedNormal",
            "ScaleAndTranslate.*|ResizeArea.*|ResizeBicubic.*",
            "SelfAdjointEig.*|Fact|Assert|CheckNumerics.*",  # silently left out
        ]
    )
)


def find_unsupported(function: tf.types.experimental.ConcreteFunction) -> list[str]:
    """What in a traced function a TPU would refuse, one line each; [] if nothing is.

    Reads the graph and all functions that it calls: operations that TPUs do not have,
    64-bit floats, and shapes that are not known before the program runs.
    """
    found: list[str] = []
    for graph in graphs_within(function.graph):
        for node in graph.get_operations():
            # Variables and captured tensors come in from outside.
            if node.type in ("Placeholder", "Arg", "_Arg", "NoOp"):
                continue
            found += _faults(node)
    return sorted(set(found))


def _faults(node: tf.Operation) -> Iterator[str]:
    if _LACKING.fullmatch(node.type):
        yield f"{node.type} ({node.name})"
    for output in node.outputs:
        if output.dtype in (tf.float64, tf.complex128, tf.string):
            yield f"{output.dtype.name} in {node.type} ({node.name})"
        elif output.dtype in (tf.resource, tf.variant):
            continue
        elif not output.shape.is_fully_defined():
            yield f"unknown shape {output.shape} of {node.type} ({node.name})"


def graphs_within(graph: tf.Graph) -> Iterator[tf.Graph]:
    """A graph and those of the functions in it, each once."""
    yield graph
    for name in _function_names(graph):
        yield graph._get_function(name).graph  # there is no public way to it


def _function_names(graph: tf.Graph) -> list[str]:
    return [f.signature.name for f in graph.as_graph_def().library.function]
