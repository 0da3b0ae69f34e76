"""Kernels rounded to the nearest code."""

import numpy as np

from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.spec import Search
from pdm_tf.quantization.uniform import codes_of, find_grid


def find_grids(
    layer: QuantizedLayer, kernel: np.ndarray, search: Search
) -> tuple[np.ndarray, np.ndarray]:
    """Scale float32 and zero int32 [G, out], one for each output channel.

    Args:
      layer: has weights; its groups of input channels count.
      kernel: [h, w, in, out] or [in, out].
      search: see `uniform.find_grid`.
    """
    form, group = layer.spec.weights, layer.side_of
    assert form is not None
    flat = kernel.reshape(-1, *kernel.shape[-2:])
    found = [
        find_grid(flat[:, group == g].reshape(-1, kernel.shape[-1]), form, search)
        for g in range(layer.weight_groups)
    ]
    scale, zero = zip(*found, strict=True)
    return np.stack(scale), np.stack(zero)


def spread_over_inputs(layer: QuantizedLayer, grid: np.ndarray) -> np.ndarray:
    """[G, out] -> [in, out], or [1, out] of one group: broadcasts to the kernel."""
    return grid if layer.weight_groups == 1 else grid[layer.side_of]


def round_to_nearest(
    layer: QuantizedLayer, kernel: np.ndarray, search: Search = "min_max"
) -> None:
    """Stores a kernel in a layer, each weight as the code nearest to it."""
    assert layer.spec.weights is not None
    scale, zero = find_grids(layer, kernel, search)
    wide, shift = (spread_over_inputs(layer, value) for value in (scale, zero))
    codes = codes_of(kernel, wide, shift, layer.spec.weights.bits)
    layer.set_weights(codes, scale, zero)
