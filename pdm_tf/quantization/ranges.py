"""Ranges of what layers read, from what was observed of it."""

import numpy as np

from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.observing import InputStatistics
from pdm_tf.quantization.spec import NumberFormat, Search
from pdm_tf.quantization.uniform import find_grid, grid_of, range_of

SEARCHED = 8  # bits up to which ranges are searched: finer steps than bins are not seen
BINS = 4096  # of the histogram that a range is searched on


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
    group = np.zeros(seen.low.shape[1], int)
    if layer.shape:
        group = np.asarray(layer.group_of)
    low, high = (np.zeros(layer.low.shape, np.float32) for _ in range(2))
    for s, rows in enumerate(steps):
        if not len(rows):
            raise ValueError(f"no row of calibration in group {s} of timesteps")
        for g in np.unique(group):
            scale, zero = _find(seen, rows, group == g, form, search)
            low[s, g], high[s, g] = range_of(scale, zero, form.bits)
    layer.set_ranges(low, high)


def _find(
    seen: InputStatistics,
    rows: np.ndarray,
    channels: np.ndarray,
    form: NumberFormat,
    search: Search,
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero, [] each, for some rows and channels."""
    if search == "min_max" or form.bits > SEARCHED:
        return grid_of(*ends_of(seen, rows, channels), form)
    centres, counts, ends = histogram_of(seen, rows, channels)
    scale, zero = find_grid(centres[:, None], form, search, ends, counts)
    return scale[0], zero[0]


def ends_of(
    seen: InputStatistics, rows: np.ndarray, channels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest of what a layer read in some rows and channels."""
    return seen.low[rows][:, channels].min(), seen.high[rows][:, channels].max()


def histogram_of(
    seen: InputStatistics, rows: np.ndarray, channels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """What a layer read, as centres of bins, how many values each has, and both ends.

    The extremes of every row and channel stand for themselves: outliers are rare, and a
    sample would miss those that a narrow range clips.

    Args:
      seen: what it read.
      rows: indices of rows.
      channels: bool [C], which count.
    """
    low, high = (v[rows][:, channels].ravel() for v in (seen.low, seen.high))
    ends = low.min()[None], high.max()[None]
    values = seen.values[rows][..., channels].ravel()
    each = max(0.0, (seen.positions[0] - 2) / seen.values.shape[1])
    found = np.concatenate([values, low, high])
    weights = np.concatenate([np.full(len(values), each), np.ones(2 * len(low))])
    counts, edges = np.histogram(found, BINS, (ends[0][0], ends[1][0]), weights=weights)
    return 0.5 * (edges[:-1] + edges[1:]), counts, ends
