"""What the patch transformer is made of (arXiv 2511.13720)."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pdm_tf.networks.derivatives import silu
from pdm_tf.networks.layers import dense
from pdm_tf.networks.shared_constant import SharedConstant
from pdm_tf.networks.transforms import apply_transform, path_of

_EPSILON = 1e-6  # of RMS normalisation
_LONGEST = 10_000.0  # ratio of the longest wave to the shortest (arXiv 1706.03762)


@dataclass(frozen=True)
class Turns:
    """Angles by which tokens turn; no nest, so that Keras casts nothing of it.

    Attributes:
      cosines: float32 [L, d].
      of_even: -sines of even channels, which the channel after each is taken times,
        float32 [L, d]; 0 of the others.
      of_odd: sines of odd channels, for the channel before each; 0 of the others.
    """

    cosines: SharedConstant
    of_even: SharedConstant
    of_odd: SharedConstant


class RMSNorm(keras.layers.Layer):
    """RMS normalisation (arXiv 1910.07467) of the last axis, computed in float32."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(autocast=False, **settings)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.gamma = self.add_weight(
            shape=(int(input_shape[-1]),),
            initializer="ones",
            name="gamma",
            dtype="float32",
            autocast=False,
        )
        self.built = True

    def call(
        self,
        x: tf.Tensor,
        scale: tf.Tensor | None = None,
        shift: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Normalised x times gamma, then times 1 + scale and plus shift where given.

        Args:
          x: [..., C].
          scale: broadcasts with x.
          shift: broadcasts with x.
        """
        y = tf.cast(x, tf.float32)
        square = tf.reduce_mean(tf.square(y), axis=-1, keepdims=True)
        y *= tf.math.rsqrt(square + _EPSILON)
        gain = self.gamma.value
        if scale is None or shift is None:
            return tf.cast(y * gain, x.dtype)
        gain = gain * (1.0 + tf.cast(scale, tf.float32))
        return tf.cast(y * gain + tf.cast(shift, tf.float32), x.dtype)


class Modulation(keras.layers.Layer):
    """Shifts, scales and gates of a block, from what it is conditioned on (adaLN).

    Takes c [B, D]; returns `parts` tensors [B, 1, D].
    """

    def __init__(self, channels: int, parts: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.channels, self.parts = channels, parts
        self.out = dense(
            parts * channels, zero=True, name="out", dtype=self.dtype_policy
        )

    def build(self, input_shape: Any = None) -> None:
        self.out.build((None, self.channels))
        self.built = True

    def call(self, c: tf.Tensor) -> list[tf.Tensor]:
        out: list[tf.Tensor] = tf.split(self.out(silu(c))[:, None], self.parts, axis=-1)
        return out


class Attention(keras.layers.Layer):
    """Attention among tokens, queries and keys normalised and turned by position."""

    def __init__(
        self, channels: int, heads: int, turns: Turns, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.channels, self.heads, self.turns = channels, heads, turns
        self.qkv = dense(3 * channels, name="qkv", dtype=self.dtype_policy)
        self.query_norm = RMSNorm(name="query_norm", dtype=self.dtype_policy)
        self.key_norm = RMSNorm(name="key_norm", dtype=self.dtype_policy)
        self.out = dense(channels, name="out", dtype=self.dtype_policy)

    def build(self, input_shape: Any = None) -> None:
        self.qkv.build((None, self.channels))
        for norm in (self.query_norm, self.key_norm):
            norm.build((None, self.channels // self.heads))
        self.out.build((None, self.channels))
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Tokens [B, L, D] -> [B, L, D]."""
        length, width = x.shape[1], self.channels // self.heads
        h = self.qkv(tf.reshape(x, [-1, self.channels]))
        h = tf.reshape(h, [-1, length, 3, self.heads, width])
        q, k, v = tf.unstack(tf.transpose(h, [2, 0, 3, 1, 4]))  # [B, heads, L, d]
        q, k = (
            turned(norm(tf.cast(value, tf.float32)), self.turns)
            for norm, value in ((self.query_norm, q), (self.key_norm, k))
        )
        q *= width**-0.5
        q, k, v = (
            self._point(name, value)
            for name, value in (("query", q), ("key", k), ("value", v))
        )
        weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True))
        weights = self._point("softmax", tf.cast(weights, x.dtype))
        h = tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3])
        h = self.out(tf.reshape(h, [-1, self.channels]))
        return tf.reshape(h, [-1, length, self.channels])

    def _point(self, name: str, x: tf.Tensor) -> tf.Tensor:
        """A factor of the products, as the plan in force changes it."""
        return apply_transform(path_of(self.qkv)[:-3] + name, x, lambda x, _: x)


class SwiGLU(keras.layers.Layer):
    """Two projections, one gating the other, and one back (arXiv 2002.05202)."""

    def __init__(self, channels: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.channels, self.hidden = channels, int(4 * channels * 2 / 3)
        self.gated = dense(2 * self.hidden, name="gated", dtype=self.dtype_policy)
        self.out = dense(channels, name="out", dtype=self.dtype_policy)

    def build(self, input_shape: Any = None) -> None:
        self.gated.build((None, self.channels))
        self.out.build((None, self.hidden))
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Tokens [B, L, D] -> [B, L, D]."""
        gate, value = tf.split(
            self.gated(tf.reshape(x, [-1, self.channels])), 2, axis=-1
        )
        out = self.out(silu(gate) * value)
        return tf.reshape(out, [-1, x.shape[1], self.channels])


class TransformerBlock(keras.layers.Layer):
    """Attention, then SwiGLU, each shifted, scaled and gated by c.

    Args:
      channels: of a token.
      heads: of attention.
      turns: positions of the tokens.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        turns: Turns,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.channels, policy = channels, self.dtype_policy
        self.modulation = Modulation(channels, 6, name="modulation", dtype=policy)
        self.norm_1 = RMSNorm(name="norm_1", dtype=policy)
        self.attention = Attention(
            channels, heads, turns, name="attention", dtype=policy
        )
        self.norm_2 = RMSNorm(name="norm_2", dtype=policy)
        self.mlp = SwiGLU(channels, name="mlp", dtype=policy)

    def build(self, input_shape: Any = None) -> None:
        for norm in (self.norm_1, self.norm_2):
            norm.build((None, self.channels))
        for part in (self.modulation, self.attention, self.mlp):
            part.build()
        self.built = True

    def call(self, x: tf.Tensor, c: tf.Tensor, *conditions: Any) -> tf.Tensor:
        """Tokens [B, L, D], under c [1 or B, D]."""
        shift, scale, gate, shift_2, scale_2, gate_2 = self.modulation(c)
        x += gate * self.attention(self.norm_1(x, scale, shift))
        return x + gate_2 * self.mlp(self.norm_2(x, scale_2, shift_2))


def sine_code(height: int, width: int, channels: int) -> np.ndarray:
    """Position of every patch, float32 [height·width, channels].

    Columns in the first half of the channels, rows in the other; sines of all
    frequencies, then cosines.
    """

    def axis(index: np.ndarray) -> np.ndarray:
        count = channels // 4
        frequencies = _LONGEST ** (-np.arange(count) / count)
        angle = index[:, None] * frequencies
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)

    rows, columns = np.divmod(np.arange(height * width), width)
    return np.concatenate([axis(columns), axis(rows)], axis=1).astype(np.float32)


def rotary_code(height: int, width: int, channels: int, ahead: int) -> Turns:
    """Rotary positions (arXiv 2104.09864) of L = ahead + height·width tokens.

    The first half of a head's channels turns by the row, the second by the column;
    two neighbouring channels turn together.

    Args:
      height: of the patch grid.
      width: of the patch grid.
      channels: of a head, a multiple of 4.
      ahead: tokens in front of the patches, which have no position.
    """
    count = channels // 4
    frequencies = np.repeat(_LONGEST ** (-np.arange(count) / count), 2)
    rows, columns = np.divmod(np.arange(height * width), width)
    angle = np.concatenate(
        [rows[:, None] * frequencies, columns[:, None] * frequencies], axis=1
    )
    angle = np.concatenate([np.zeros([ahead, channels]), angle])
    cosines, sines = (f(angle).astype(np.float32) for f in (np.cos, np.sin))
    first = np.arange(channels) % 2 == 0  # of its pair
    factors = (cosines, np.where(first, -sines, 0.0), np.where(first, 0.0, sines))
    return Turns(*map(SharedConstant, factors))


def turned(x: tf.Tensor, turns: Turns) -> tf.Tensor:
    """x [..., L, d], each pair of neighbouring channels turned by its angle.

    Neighbours come by shifting all channels by one, in contiguous pieces: to reverse
    each pair takes twice the time in TensorFlow and eight times in OpenVINO.
    """
    after = tf.concat([x[..., 1:], x[..., :1]], -1)
    before = tf.concat([x[..., -1:], x[..., :-1]], -1)
    return (
        x * turns.cosines.tensor()
        + after * turns.of_even.tensor()
        + before * turns.of_odd.tensor()
    )
