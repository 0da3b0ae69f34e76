"""A layer of 4 bits beside a branch of low rank in 16 bits, for its outliers."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import tensorflow as tf

from pdm_tf.networks.transforms import LayerTransform
from pdm_tf.quantization.layer import QuantizedLayer
from pdm_tf.quantization.packing import pack, packed_size, unpack
from pdm_tf.quantization.spec import LayerSpec

GROUP = 64  # input channels that share a scale
LOWEST = -0.2785  # of SiLU


class LowRankLayer(QuantizedLayer):
    """y = (X A) B + Q(X) Q(R), X being the input divided by a factor a channel.

    Variables: `codes` uint8 [bytes] and `scale` float16 [G, out] of R, symmetric, for G
    groups of input channels; `smooth` float32 [in]; `a` float16 [h·w·in, r] and `b`
    float16 [r, out]. Activations have a scale for each pixel and group of channels,
    found as they come; what SiLU gives is counted from its least value up.

    Args:
      shape: of the kernel.
      spec: bits.
      rank: r; 0 for no branch.
      after_silu: whether the layer reads what SiLU gives.
    """

    def __init__(
        self,
        shape: Sequence[int],
        spec: LayerSpec,
        rank: int,
        after_silu: bool,
    ) -> None:
        super().__init__(shape, LayerSpec())  # none of the variables of plain layers
        self.spec, self.after_silu = spec, after_silu
        rows, out = prod(shape[:-1]), shape[-1]
        self.rank = min(rank, rows, out)
        self.branch_share = self.rank * (rows + out) / (rows * out)
        assert spec.weights is not None
        packed = packed_size(prod(shape), spec.weights.bits)
        groups = -(-shape[-2] // GROUP)
        self.codes = tf.Variable(tf.zeros([packed], tf.uint8), name="codes")
        self.scale = tf.Variable(tf.ones([groups, out], tf.float16), name="scale")
        self.smooth = tf.Variable(tf.ones([shape[-2]]), name="smooth")
        if self.rank:
            self.a = tf.Variable(tf.zeros([rows, self.rank], tf.float16), name="a")
            self.b = tf.Variable(tf.zeros([self.rank, out], tf.float16), name="b")

    def set_residual(self, kernel: np.ndarray, smooth: np.ndarray) -> None:
        """Stores R, rounded to nearest, and the factors of input channels."""
        assert self.spec.weights is not None
        bits = self.spec.weights.bits
        scale = scales_of(kernel, bits)
        self.scale.assign(scale)
        self.smooth.assign(smooth)
        middle = 2 ** (bits - 1)
        codes = np.round(kernel / over_inputs(scale, kernel.shape[-2]))
        codes = np.clip(codes, 1 - middle, middle - 1) + middle
        self.codes.assign(pack(codes.astype(int), bits))

    def set_branch(self, a: np.ndarray, b: np.ndarray) -> None:
        """Stores the branch."""
        self.a.assign(a.astype(np.float16))
        self.b.assign(b.astype(np.float16))

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        """Q(R)."""
        assert self.spec.weights is not None
        bits = self.spec.weights.bits
        codes = tf.reshape(unpack(self.codes, bits, prod(self.shape)), self.shape)
        group = np.arange(self.shape[-2]) // GROUP
        scale = tf.gather(tf.cast(self.scale, tf.float32), group)
        return tf.cast(tf.cast(codes - 2 ** (bits - 1), tf.float32) * scale, w.dtype)

    def branch(self) -> tf.Tensor:
        """A B in the shape of the kernel, float32."""
        a, b = tf.cast(self.a, tf.float32), tf.cast(self.b, tf.float32)
        return tf.reshape(tf.matmul(a, b), self.shape)

    def inputs(self, x: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
        """Q(X) of X."""
        if self.spec.activations is None:
            return x
        lowest = LOWEST / tf.convert_to_tensor(self.smooth) if self.after_silu else None
        return round_dynamically(x, self.spec.activations.bits, lowest)

    def apply(self, x: tf.Tensor, t: tf.Tensor, layer: Callable) -> tf.Tensor:
        x = x / tf.cast(self.smooth, x.dtype)
        y = layer(self.inputs(x, t), self)
        if not self.rank:
            return y
        beside = _Kernel(self.branch)
        bias = layer(tf.zeros([1, *x.shape[1:]], x.dtype), beside)  # of no input
        return y + layer(x, beside) - bias


class _Kernel(LayerTransform):
    """A kernel of its own."""

    def __init__(self, made: Callable[[], tf.Tensor]) -> None:
        self._made = made

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        return tf.cast(self._made(), w.dtype)


def scales_of(kernel: np.ndarray, bits: int) -> np.ndarray:
    """Scales of a symmetric grid, float16 [G, out]: the largest of each group."""
    flat = np.abs(kernel).reshape(-1, *kernel.shape[-2:]).max(axis=0)
    starts = np.arange(0, flat.shape[0], GROUP)
    most = np.maximum.reduceat(flat, starts, axis=0)
    scale = (most / (2 ** (bits - 1) - 1)).astype(np.float16)
    return np.where(scale > 0, scale, np.float16(1))


def over_inputs(scale: np.ndarray, channels: int) -> np.ndarray:
    """[G, out] -> float32 [in, out]."""
    return scale.astype(np.float32)[np.arange(channels) // GROUP]


def round_kernel(kernel: np.ndarray, bits: int) -> np.ndarray:
    """A kernel on its grid, float32."""
    scale, most = (
        over_inputs(scales_of(kernel, bits), kernel.shape[-2]),
        2 ** (bits - 1),
    )
    return np.clip(np.round(kernel / scale), 1 - most, most - 1) * scale


def round_dynamically(
    x: tf.Tensor, bits: int, lowest: tf.Tensor | None = None
) -> tf.Tensor:
    """x on a grid for each position and group of channels, as wide as what comes.

    Args:
      x: [..., C].
      bits: of the grid.
      lowest: [C], what no value is below: then codes count from there up; None: the
        grid is symmetric.
    """
    parts = []
    for begin in range(0, x.shape[-1], GROUP):
        part = tf.cast(x[..., begin : begin + GROUP], tf.float32)
        if lowest is None:
            most, floor = 2.0 ** (bits - 1) - 1.0, tf.zeros([part.shape[-1]])
        else:
            most, floor = 2.0**bits - 1.0, lowest[begin : begin + GROUP]
        above = part - floor
        scale = tf.reduce_max(tf.abs(above), -1, keepdims=True) / most
        scale = tf.where(scale > 0, scale, 1.0)
        parts.append(tf.round(above / scale) * scale + floor)
    return tf.cast(tf.concat(parts, -1), x.dtype)
