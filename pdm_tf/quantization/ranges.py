"""Ranges of what layers read, from what was observed of it."""

import numpy as np

from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.observing import InputStatistics
from pdm_tf.quantization.spec import Search
from pdm_tf.quantization.uniform import find_grid, range_of

SAMPLE = 30_000  # values that a range is searched on


def fit_ranges(
    layer: QuantizedLayer,
    seen: InputStatistics,
    steps: list[np.ndarray],
    search: Search = "min_max",
) -> None:
    """Gives a layer the ranges of its input, for each group of timesteps and channels.

    Args:
      layer: has activations.
      seen: what it read.
      steps: indices of rows for each group of timesteps.
      search: see `uniform.find_grid`; mse looks at the values kept, a sample.
    """
    form = layer.spec.activations
    assert form is not None
    group = layer.group_of if layer.shape else np.zeros(seen.low.shape[1], int)
    low, high = (np.zeros(layer.low.shape, np.float32) for _ in range(2))
    for s, rows in enumerate(steps):
        if not len(rows):
            raise ValueError(f"no row of calibration in group {s} of timesteps")
        for g in range(group.max() + 1):
            mine = group == g
            ends = seen.low[rows][:, mine].min(), seen.high[rows][:, mine].max()
            values = seen.values[rows][..., mine].ravel()
            values = values[:: max(1, len(values) // SAMPLE)].reshape(-1, 1)
            spanned = np.array([ends[0]]), np.array([ends[1]])
            scale, zero = (v[0] for v in find_grid(values, form, search, spanned))
            low[s, g], high[s, g] = range_of(scale, zero, form.bits)
    layer.set_ranges(low, high)
