"""What layers read on calibration data: ranges of every row, and some of the values."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.denoisers.network import NetworkDenoiser
from pdm_tf.networks.transforms import (
    LayerPlan,
    LayerTransform,
    stacked,
    transformed,
)
from pdm_tf.quantization.calibration import Rows

AT_ONCE = 64  # rows


class InputStatistics(NamedTuple):
    """What a layer read: R rows, C channels."""

    low: np.ndarray  # float32 [R, C], the least value
    high: np.ndarray  # float32 [R, C]
    values: np.ndarray  # float32 [R, k, C], of k positions drawn for each batch
    positions: np.ndarray  # int [R], how many there were


class _Observer(LayerTransform):
    """Keeps statistics of what a layer reads; for eager calls alone."""

    def __init__(self, positions: int, seed: int) -> None:
        self.found: list[InputStatistics] = []
        self._positions, self._rng = positions, np.random.default_rng(seed)

    def see(self, x: tf.Tensor, rows: int) -> None:
        wide = np.asarray(tf.cast(x, tf.float32))
        wide = wide.reshape(rows, -1, wide.shape[-1])
        count = min(self._positions, wide.shape[1])
        chosen = self._rng.choice(wide.shape[1], count, replace=False)
        self.found.append(
            InputStatistics(
                wide.min(axis=1),
                wide.max(axis=1),
                wide[:, chosen],
                np.full(rows, wide.shape[1]),
            )
        )

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        self.see(x, t.shape[0])
        return x


def observe(
    denoise: NetworkDenoiser,
    rows: Rows,
    paths: Iterable[str],
    positions: int = 16,
    seed: int = 0,
) -> dict[str, InputStatistics]:
    """Statistics of what layers of a network read.

    Args:
      denoise: the network's denoiser; its plan counts.
      rows: what the network reads.
      paths: of the layers.
      positions: pixels or tokens of each row whose values are kept.
      seed: of these positions.
    """
    watched = {path: _Observer(positions, seed) for path in paths}
    for batch in rows.batches(AT_ONCE):
        call_eagerly(denoise, batch, watched)
    return {
        path: InputStatistics(*map(np.concatenate, zip(*seen.found, strict=True)))
        for path, seen in watched.items()
    }


def call_eagerly(
    denoise: NetworkDenoiser, batch: tuple[tf.Tensor, ...], plan: LayerPlan
) -> tuple[tf.Tensor, tf.Tensor]:
    """Output and variance of a network with a plan above its denoiser's own."""
    z, t, labels = batch
    known = denoise.conditioned(labels) if denoise.num_classes else denoise
    given = known.inputs(z, denoise.schedule.level(t))
    with transformed(stacked(denoise.plan, plan)):
        return denoise.network(*given)


def by_step(rows: Rows, step_of: np.ndarray | None) -> list[np.ndarray]:
    """Indices of rows for each group of timesteps; all in one without groups.

    A group that no row falls into, such as the last before the picture on the straight
    way, has those of the nearest one that has some.
    """
    if step_of is None:
        return [np.arange(len(rows.t))]
    found: dict[int, list[int]] = defaultdict(list)
    for i, t in enumerate(rows.t):
        found[int(step_of[t])].append(i)
    held = sorted(found)
    nearest = (min(held, key=lambda h: abs(h - s)) for s in range(step_of.max() + 1))
    return [np.array(found[h], int) for h in nearest]
