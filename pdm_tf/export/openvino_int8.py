"""8-bit weights in an OpenVINO model, where what they are multiplied with is 8-bit."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pdm_tf.serving.openvino_network import load_runtime

LEVELS = 255  # codes from -127 to 127: processors multiply signed bytes
_MOVES = {"Transpose", "Reshape", "Convert", "Squeeze", "Unsqueeze"}
# Kinds of operations -> axes of the weights that a scale is shared over.
_SHARED: dict[str, tuple[int, ...]] = {
    "Convolution": (1, 2, 3),
    "ConvolutionBackpropData": (0, 2, 3),
}


def round_weights(model: Any) -> int:
    """Rounds the weights of all layers that read fake-quantised values, in place.

    A channel whose weights lie on a grid of at most 8 bits already, as those of a
    quantised model do, keeps them exactly.

    Args:
      model: an `openvino.Model`.

    Returns:
      The number of layers.
    """
    from openvino import passes
    from openvino._offline_transformations import (
        compress_quantize_weights_transformation,
    )

    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(model)
    found = list(_layers(model))
    for operation, axes in found:
        weights = operation.input(1).get_source_output()
        grid = find_scale(weights.get_node().data, axes) * 127.0
        operation.input(1).replace_source_output(_rounded(weights, grid))
    compress_quantize_weights_transformation(model)
    return len(found)


def _layers(model: Any) -> Iterator[tuple[Any, tuple[int, ...]]]:
    """Operations with constant weights and fake-quantised inputs, and axes to share."""
    for operation in model.get_ordered_ops():
        kind = operation.get_type_name()
        axes = _SHARED.get(kind)
        if kind == "MatMul":
            axes = (1,) if operation.get_attributes()["transpose_b"] else (0,)
        if axes is None or _origin(operation.input(0)) != "FakeQuantize":
            continue
        if operation.input(1).get_source_output().get_node().get_type_name() == (
            "Constant"
        ):
            yield operation, axes


def _origin(port: Any) -> str:
    """The kind of the operation that made what is read, moves aside."""
    node = port.get_source_output().get_node()
    while node.get_type_name() in _MOVES:
        node = node.input(0).get_source_output().get_node()
    return node.get_type_name()


def _rounded(weights: Any, most: np.ndarray) -> Any:
    operations = load_runtime().opset13
    low, high = (operations.constant(end.astype(np.float32)) for end in (-most, most))
    return operations.fake_quantize(weights, low, high, low, high, LEVELS).output(0)


def find_scale(weights: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The step of the grid of each channel, float32, 1 along `axes`.

    It is the step that all of its weights are multiples of, up to 127 times it; or what
    makes the largest 127 steps.
    """
    moved = np.moveaxis(weights, axes, range(-len(axes), 0))
    flat = np.abs(moved.reshape(*moved.shape[: -len(axes)], -1)).astype(np.float64)
    rows = flat.reshape(-1, flat.shape[-1])
    steps = np.array([_step(row) for row in rows], np.float32)
    shape = [1 if i in axes else n for i, n in enumerate(weights.shape)]
    return steps.reshape(shape)


def _step(row: np.ndarray) -> float:
    most = row.max()
    if not most:
        return 1.0
    ends = np.unique(np.round(row / most, 6))
    least = np.diff(ends, prepend=0.0)
    least = least[least > 1e-4]
    for step in (least.min(), ends[1] if len(ends) > 1 and not ends[0] else ends[0]):
        codes = np.round(1.0 / step) if step else 0.0
        if 0 < codes <= 127 and _on_grid(row / most * codes):
            return float(most / codes)
    return float(most / 127.0)


def _on_grid(codes: np.ndarray) -> bool:
    return bool(np.abs(codes - np.round(codes)).max() < 1e-3)
