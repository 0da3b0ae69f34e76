"""Temporal features in few bits: a row for each timestep that is sampled, or class."""

from typing import Any

import numpy as np
import tensorflow as tf

from pdm_tf.networks.transforms import LayerTransform, current_conditions
from pdm_tf.quantization.packing import pack, packed_size, unpack
from pdm_tf.quantization.spec import NumberFormat
from pdm_tf.quantization.uniform import codes_of, grid_of

NONE = -1  # the row of a timestep that is not held


class CachedFeature(LayerTransform):
    """A layer's output as a row of the timestep, of the class, or the sum of both; the
    layer is left out.

    Variables, of each part with R rows: `codes` uint8 [bytes], `scale` float32 [R] and
    `zero` uint8 [R]; without a format `rows` float32 [R, C].

    Args:
      channels: C, of the output.
      form: of the values; None: float32.
      row_of: int32 [T], the row of each timestep or `NONE`; None: no such part.
      labels: how many classes, that of none among them; 0: no such part.
    """

    def __init__(
        self,
        channels: int,
        form: NumberFormat | None,
        row_of: np.ndarray | None,
        labels: int,
    ) -> None:
        self.channels, self.form, self.row_of = channels, form, row_of
        held = 0 if row_of is None else int(row_of.max()) + 1
        self.rows_of_part = {"time": held, "class": labels}
        for part, rows in self.rows_of_part.items():
            if rows:
                self._make(part, rows)

    def _make(self, part: str, rows: int) -> None:
        if self.form is None:
            made = {"rows": tf.Variable(tf.zeros([rows, self.channels]))}
        else:
            size = packed_size(rows * self.channels, self.form.bits)
            made = {
                "codes": tf.Variable(tf.zeros([size], tf.uint8)),
                "scale": tf.Variable(tf.ones([rows])),
                "zero": tf.Variable(tf.zeros([rows], tf.uint8)),
            }
        for name, variable in made.items():
            setattr(self, f"{part}_{name}", variable)

    def _held(self, part: str, name: str) -> Any:
        return getattr(self, f"{part}_{name}")

    def store(self, part: str, values: np.ndarray) -> None:
        """Gives a part its values, float32 [R, C], each row a range of its own."""
        if self.form is None:
            self._held(part, "rows").assign(values)
            return
        low, high = values.min(axis=1), values.max(axis=1)
        scale, zero = grid_of(low, high, self.form)
        codes = codes_of(values, scale[:, None], zero[:, None], self.form.bits)
        self._held(part, "codes").assign(pack(codes, self.form.bits))
        self._held(part, "scale").assign(scale)
        self._held(part, "zero").assign(zero)

    def part(self, part: str, chosen: tf.Tensor) -> tf.Tensor:
        """Rows of a part, float32 [N, C]."""
        if self.form is None:
            return tf.gather(self._held(part, "rows"), chosen)
        shape = self.rows_of_part[part], self.channels
        codes = unpack(self._held(part, "codes"), self.form.bits, shape[0] * shape[1])
        codes = tf.gather(tf.reshape(codes, shape), chosen)
        zero = tf.cast(tf.gather(self._held(part, "zero"), chosen), tf.int32)
        scale = tf.gather(self._held(part, "scale"), chosen)
        return tf.cast(codes - zero[:, None], tf.float32) * scale[:, None]

    def apply(self, x: tf.Tensor, t: tf.Tensor, layer: Any) -> tf.Tensor:
        found = []
        if self.row_of is not None:
            chosen = tf.gather(tf.constant(self.row_of), t)
            found.append(self.part("time", tf.maximum(chosen, 0)))
        if self.rows_of_part["class"]:
            found.append(self.part("class", current_conditions().labels))
        return tf.cast(sum(found[1:], found[0]), x.dtype)


class CachedTimes(LayerTransform):
    """The time embedding where every layer that would read it is looked up.

    Computed at a timestep that tables do not hold, it is an error of TensorFlow.

    Args:
      width: of the embedding.
      row_of: see `CachedFeature`.
    """

    def __init__(self, width: int, row_of: np.ndarray) -> None:
        self.width, self.row_of = width, row_of
        held = np.flatnonzero(row_of != NONE).tolist()
        self.count, self.timesteps = len(held), frozenset(held)

    def apply(self, x: tf.Tensor, t: tf.Tensor, layer: Any) -> tf.Tensor:
        held = tf.gather(tf.constant(self.row_of), t)
        says = f"the model is made for {self.count} timesteps, and not for this one"
        tf.debugging.assert_greater_equal(held, 0, says)
        return tf.zeros([1, self.width])
