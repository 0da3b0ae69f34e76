"""A layer of few bits: packed weights, and what it reads rounded to a grid."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import tensorflow as tf

from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.quantization.packing import pack, packed_size, unpack
from pdm_tf.quantization.spec import LayerSpec
from pdm_tf.quantization.uniform import fake_quantized


class QuantizedLayer(LayerTransform):
    """Reads its kernel from packed codes, whatever the base's is, and rounds its input.

    Variables: `codes` uint8 [bytes], `scale` float32 [G, out] and `zero` [G, out] of
    the kernel, for G groups of input channels; `low` and `high` float32 [S, A], ranges
    of the input for S groups of timesteps and A groups of input channels; `group` uint8
    [in], the group of each input channel, where that is found and not known; `shift`
    float32 [out], added to what the layer gives, where that is learned.

    Args:
      shape: of the kernel; () for a point without one.
      spec: bits and schemes.
      seam: the input channel at which a concatenation's second half begins; 0: none.
      step_of: int32 [T], the group of each timestep; None: one group.
    """

    group: tf.Variable
    shift: tf.Variable
    branch_share: float = 0.0  # multiplications beside the layer, over its own

    def __init__(
        self,
        shape: Sequence[int],
        spec: LayerSpec,
        seam: int = 0,
        step_of: np.ndarray | None = None,
    ) -> None:
        self.shape, self.spec, self.seam = tuple(shape), spec, seam
        self.step_of = step_of
        if spec.weights is not None and shape:
            bits, size = spec.weights.bits, (self.weight_groups, shape[-1])
            packed = packed_size(prod(shape), bits)
            self.codes = tf.Variable(tf.zeros([packed], tf.uint8), name="codes")
            self.scale = tf.Variable(tf.ones(size), name="scale")
            whole = tf.uint8 if bits <= 8 else tf.int32
            self.zero = tf.Variable(tf.zeros(size, whole), name="zero")
        if spec.shift and shape:
            self.shift = tf.Variable(tf.zeros(shape[-1]), name="shift")
        if spec.activations is not None:
            steps = 1 if step_of is None else int(step_of.max()) + 1
            ranges = tf.zeros([steps, self.input_groups])
            self.low = tf.Variable(ranges, name="low")
            self.high = tf.Variable(ranges, name="high")
            if self._found:
                none = tf.zeros([shape[-2]], tf.uint8)
                self.group = tf.Variable(none, name="group")

    @property
    def _found(self) -> bool:
        """Whether groups of the input are found from data."""
        return bool(self.shape) and self.spec.groups > 1

    @property
    def weight_groups(self) -> int:
        """Groups of input channels whose weights have scales of their own."""
        return 2 if self.seam else 1

    @property
    def input_groups(self) -> int:
        """Groups of input channels with ranges of their own."""
        if self._found:
            return min(self.spec.groups, self.shape[-2])
        return self.weight_groups

    @property
    def side_of(self) -> np.ndarray:
        """The side of the seam of each input channel, int32 [in]."""
        side = np.zeros(self.shape[-2] if self.shape else 1, np.int32)
        if self.seam:
            side[self.seam :] = 1
        return side

    @property
    def group_of(self) -> tf.Tensor | np.ndarray:
        """The group of each input channel, int32 [in]."""
        return tf.cast(self.group, tf.int32) if self._found else self.side_of

    def set_weights(
        self, codes: np.ndarray, scale: np.ndarray, zero: np.ndarray
    ) -> None:
        """Stores a kernel: codes of its shape, scale and zero [G, out]."""
        assert self.spec.weights is not None
        self.codes.assign(pack(codes, self.spec.weights.bits))
        self.scale.assign(scale)
        self.zero.assign(zero)

    def set_ranges(self, low: np.ndarray, high: np.ndarray) -> None:
        """Stores the ranges of the input, [S, A] each."""
        self.low.assign(low)
        self.high.assign(high)

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        if self.spec.weights is None or not self.shape:
            return w
        codes = unpack(self.codes, self.spec.weights.bits, prod(self.shape))
        codes = tf.reshape(codes, self.shape)
        scale, zero = tf.convert_to_tensor(self.scale), tf.cast(self.zero, tf.int32)
        if self.weight_groups > 1:
            scale, zero = (tf.gather(v, self.side_of) for v in (scale, zero))
        return tf.cast(tf.cast(codes - zero, tf.float32) * scale, w.dtype)

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        if self.spec.activations is None:
            return x
        low, high = (tf.convert_to_tensor(v) for v in (self.low, self.high))
        if self.step_of is None:
            bits, wide = self.spec.activations.bits, tf.cast(x, tf.float32)
            low, high = self._by_channel(low[0]), self._by_channel(high[0])
            return tf.cast(fake_quantized(wide, low, high, bits), x.dtype)
        return self.rounded_inputs(x, t, low, high, tf.round)

    def rounded_inputs(
        self,
        x: tf.Tensor,
        t: tf.Tensor,
        low: tf.Tensor,
        high: tf.Tensor,
        rounding: Callable[[tf.Tensor], tf.Tensor],
    ) -> tf.Tensor:
        """x on the grids of ranges [S, A], each picture on that of its timestep.

        Args:
          x: [B, H, W, C] or [N, C].
          t: timesteps int32 [1 or B].
          low: least of each range.
          high: largest of each range.
          rounding: to whole numbers: `tf.round`, or one with a gradient.
        """
        assert self.spec.activations is not None
        if self.step_of is not None:
            chosen = tf.gather(tf.constant(self.step_of), t)
            low, high = tf.gather(low, chosen), tf.gather(high, chosen)
        wide, bits = tf.cast(x, tf.float32), self.spec.activations.bits
        return tf.cast(self._by_row(wide, low, high, bits, rounding), x.dtype)

    def output(self, y: tf.Tensor, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        return y + tf.cast(self.shift, y.dtype) if hasattr(self, "shift") else y

    def _by_channel(self, ends: tf.Tensor) -> tf.Tensor:
        """[A] -> [] for one group, [in] for several."""
        return ends[0] if self.input_groups == 1 else tf.gather(ends, self.group_of)

    def _by_row(
        self,
        x: tf.Tensor,
        low: tf.Tensor,
        high: tf.Tensor,
        bits: int,
        rounding: Callable[[tf.Tensor], tf.Tensor],
    ) -> tf.Tensor:
        """x on the grid of its picture's timestep; low and high [1 or B, A]."""
        scale = (high - low) / (2.0**bits - 1.0)
        zero = rounding(-low / scale)
        rows, given = tf.shape(x)[0], tf.shape(low)[0]
        # Tokens of attention are rows of their own, those of a picture in a run.
        per = tf.where(given == 1, 1, rows // given)
        axes = [1] * (x.shape.rank - 2)
        grid = []
        for value in (scale, zero):
            value = tf.repeat(value, per, axis=0)
            value = (
                value
                if self.input_groups == 1
                else tf.gather(value, self.group_of, axis=1)
            )
            grid.append(tf.reshape(value, [tf.shape(value)[0], *axes, value.shape[1]]))
        code = tf.clip_by_value(rounding(x / grid[0]) + grid[1], 0.0, 2.0**bits - 1.0)
        return (code - grid[1]) * grid[0]
