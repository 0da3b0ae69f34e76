"""Low-rank adaptation of layers: LoRA (arXiv 2106.09685)."""

import math
import re
import zlib
from collections.abc import Sequence
from copy import copy
from typing import Self

import keras
import numpy as np
import tensorflow as tf

from pdm_tf.errors import SettingError
from pdm_tf.networks.transforms import LayerPlan, LayerTransform, layers_of


class Lora(LayerTransform):
    """Adds scale·A·B to a kernel (section 4.1 of the paper).

    A kernel [h, w, in, out] is seen as the matrix [h·w·in, out]. A starts at random and
    B at zero, so that a new adapter changes nothing.

    Args:
      shape: of the kernel.
      rank: columns of A and rows of B; at most what the kernel's matrix has.
      seed: numbers that A is drawn from.
      scale: factor of the product; at 0 the kernel is left alone.
    """

    def __init__(
        self,
        shape: Sequence[int],
        rank: int,
        seed: int | Sequence[int] = 0,
        scale: float = 1.0,
    ) -> None:
        rows, columns = math.prod(shape[:-1]), shape[-1]
        rank = min(rank, rows, columns)
        drawn = np.random.default_rng(seed).normal(size=(rows, rank))
        self.a = tf.Variable(drawn / math.sqrt(rows), dtype=tf.float32, name="a")
        self.b = tf.Variable(tf.zeros([rank, columns]), name="b")
        self.shape, self.scale = tuple(shape), scale

    @classmethod
    def of(cls, shape: Sequence[int], a: np.ndarray, b: np.ndarray) -> Self:
        """The adapter of given factors: a [h·w·in, rank], b [rank, out]."""
        made = cls.__new__(cls)
        made.a = tf.Variable(a, dtype=tf.float32, name="a")
        made.b = tf.Variable(b, dtype=tf.float32, name="b")
        made.shape, made.scale = tuple(shape), 1.0
        return made

    def change(self) -> tf.Tensor:
        """scale·A·B in the shape of the kernel, float32."""
        return tf.reshape(self.scale * tf.matmul(self.a, self.b), self.shape)

    def kernel(self, w: tf.Tensor) -> tf.Tensor:
        if not self.scale:
            return w
        return w + tf.cast(self.change(), w.dtype)

    def rescaled(self, factor: float) -> Self:
        """The same adapter, with the same variables, at a multiple of its scale."""
        made = copy(self)
        made.scale = factor * self.scale
        return made


class GuidedLora(Lora):
    """An adapter that a weight of guidance turns up: W + A·diag(g(w - 1))·B.

    g_r(u) = u·(1 + c_r·u) with c learned, zero at the start. At w = 1, no guidance, the
    kernel is left as it is, bit for bit.

    Args:
      shape: of the kernel.
      rank: columns of A and rows of B; at most what the kernel's matrix has.
      seed: numbers that A is drawn from.
      guidance: w.
    """

    guidance: float | tf.Tensor

    def __init__(
        self,
        shape: Sequence[int],
        rank: int,
        seed: int | Sequence[int] = 0,
        guidance: float = 1.0,
    ) -> None:
        super().__init__(shape, rank, seed)
        self.c = tf.Variable(tf.zeros([self.b.shape[0]]), name="c")
        self.guidance = guidance

    @classmethod
    def of(
        cls,
        shape: Sequence[int],
        a: np.ndarray,
        b: np.ndarray,
        c: np.ndarray | None = None,
    ) -> Self:
        """The adapter of given factors, c [rank] among them, at w = 1; None: zeros."""
        made = super().of(shape, a, b)
        given = np.zeros(len(b)) if c is None else c
        made.c = tf.Variable(given, dtype=tf.float32, name="c")
        made.guidance = 1.0
        return made

    def change(self) -> tf.Tensor:
        u = tf.cast(self.guidance, tf.float32) - 1.0
        gain = self.scale * u * (1.0 + self.c * u)
        return tf.reshape(tf.matmul(self.a * gain, self.b), self.shape)

    def at_guidance(self, weight: float | tf.Tensor) -> "GuidedLora":
        made = copy(self)
        made.guidance = weight
        return made


def lora_plan(
    network: keras.Model,
    rank: int,
    seed: int = 0,
    layers: str = "",
    scale: float = 1.0,
    guidance: float | None = None,
) -> dict[str, Lora]:
    """A new adapter for each layer of a network, or for some of them.

    A layer's start depends on the seed and on its path alone.

    Args:
      network: whose layers are adapted; it is left as it is.
      rank: of every adapter, at least 1; layers too small for it take less.
      seed: what the starts are drawn from.
      layers: regular expression, found somewhere in the paths of the layers that are
        adapted, such as "attention|skip"; empty: all of them.
      scale: see `Lora`.
      guidance: w that the adapters are at, see `GuidedLora`; None: they take none.

    Raises:
      SettingError: a rank below 1, or an expression that is none or fits no layer.
    """
    if rank < 1:
        raise SettingError("rank", rank, "at least 1 is needed")
    try:
        pattern = re.compile(layers)
    except re.error as error:
        raise SettingError(
            "layers", layers, f"not a regular expression: {error}"
        ) from None
    found = layers_of(network)
    chosen = {path: layer for path, layer in found.items() if pattern.search(path)}
    if not chosen:
        some = ", ".join(list(found)[:3])
        raise SettingError("layers", layers, f"fits no layer; there are {some} …")

    def made(path: str) -> Lora:
        given = chosen[path].kernel.shape, rank, [seed, zlib.crc32(path.encode())]
        if guidance is None:
            return Lora(*given, scale)
        return GuidedLora(*given, guidance)

    return {path: made(path) for path in chosen}


def rescaled(plan: LayerPlan, factor: float) -> dict[str, LayerTransform]:
    """A plan of adapters at a multiple of their scale, with the same variables.

    Several of them add up by `networks.transforms.stacked`.
    """
    return {path: _lora(change).rescaled(factor) for path, change in plan.items()}


def _lora(transform: LayerTransform) -> Lora:
    if not isinstance(transform, Lora):
        raise TypeError(f"{type(transform).__name__} is no adapter")
    return transform
