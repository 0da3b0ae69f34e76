"""Vision transformers (arXiv 2010.11929), as DINOv2 and CLIP have them.

A picture's patches and a class token pass through blocks of attention; the class
token, normalised, and projected where there is a projection, is the feature vector.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pdm_tf.errors import InputError

Weights = Mapping[str, tf.Tensor]


class Architecture(NamedTuple):
    """What a network's weights do not say by their names."""

    width: int  # of a token
    hidden: int  # of the layer within a block's two
    depth: int  # blocks
    heads: int  # of attention
    patch: int  # side [pixels]
    grid: int  # side of the array of patches that positions are stored for
    registers: int  # tokens that stand for nothing (arXiv 2309.16588)
    projected: int  # size of the features after a projection; 0: none
    gated: bool  # SwiGLU in the blocks (arXiv 2002.05202)
    activation: str  # of blocks that are not gated, by its name in ACTIVATIONS
    epsilon: float  # of layer normalisation


def _quick_gelu(x: tf.Tensor) -> tf.Tensor:
    return x * tf.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": lambda x: tf.nn.gelu(x, approximate=False),
    "quick_gelu": _quick_gelu,
}


def forward(x: tf.Tensor, weights: Weights, shape: Architecture) -> tf.Tensor:
    """The features of pictures.

    Args:
      x: float32 [N, S, S, 3], normalised; S is a multiple of the patch.
      weights: float32, by the names of `expected`; positions for S.
      shape: of the network.

    Returns:
      float32 [N, width], or [N, projected].
    """
    count = tf.shape(x)[0]
    tokens = tf.nn.conv2d(x, weights["patches/kernel"], shape.patch, "VALID")
    if "patches/bias" in weights:
        tokens += weights["patches/bias"]
    tokens = tf.reshape(tokens, [count, -1, shape.width]) + weights["positions"][1:]
    first = weights["class"] + weights["positions"][:1]
    if shape.registers:
        first = tf.concat([first, weights["registers"]], 0)
    first = tf.broadcast_to(first, [count, *first.shape])
    tokens = tf.concat([first, tokens], 1)
    if "norm_in/scale" in weights:
        tokens = _normalised(tokens, weights, "norm_in", shape)
    for block in range(shape.depth):
        tokens = _block(tokens, weights, f"{block}/", shape)
    features = _normalised(tokens[:, 0], weights, "norm", shape)
    return features @ weights["projection"] if shape.projected else features


def _block(x: tf.Tensor, weights: Weights, at: str, shape: Architecture) -> tf.Tensor:
    y = _attended(_normalised(x, weights, f"{at}norm_1", shape), weights, at, shape)
    x += y * weights.get(f"{at}scale_1", 1.0)
    y = _normalised(x, weights, f"{at}norm_2", shape)
    if shape.gated:
        gate, y = tf.split(_dense(y, weights, f"{at}wide"), 2, -1)
        y *= tf.nn.silu(gate)
    else:
        y = ACTIVATIONS[shape.activation](_dense(y, weights, f"{at}wide"))
    return x + _dense(y, weights, f"{at}narrow") * weights.get(f"{at}scale_2", 1.0)


def _attended(
    x: tf.Tensor, weights: Weights, at: str, shape: Architecture
) -> tf.Tensor:
    size = shape.width // shape.heads
    count, tokens = tf.shape(x)[0], x.shape[1]
    query, key, value = (
        tf.reshape(_dense(x, weights, at + name), [count, tokens, shape.heads, size])
        for name in ("query", "key", "value")
    )
    share = tf.einsum("nqhd,nkhd->nhqk", query, key) / math.sqrt(size)
    y = tf.einsum("nhqk,nkhd->nqhd", tf.nn.softmax(share), value)
    return _dense(tf.reshape(y, [count, tokens, shape.width]), weights, f"{at}out")


def _dense(x: tf.Tensor, weights: Weights, name: str) -> tf.Tensor:
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def _normalised(
    x: tf.Tensor, weights: Weights, name: str, shape: Architecture
) -> tf.Tensor:
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    x = (x - mean) * tf.math.rsqrt(variance + shape.epsilon)
    return x * weights[f"{name}/scale"] + weights[f"{name}/shift"]


def interpolated(positions: np.ndarray, grid: int, antialias: bool) -> np.ndarray:
    """Positions of an array of patches of another size, by bicubic interpolation.

    As PyTorch does it, whose cubic has a = -0.75 without antialiasing and -0.5 with.

    Args:
      positions: float32 [1 + G * G, D], that of the class token first.
      grid: side of the result [patches].
      antialias: whether the filter grows where there are fewer patches than G.

    Returns:
      float32 [1 + grid * grid, D].
    """
    side = math.isqrt(len(positions) - 1)
    if side == grid:
        return positions
    weights = _cubic_weights(side, grid, antialias)
    table = positions[1:].astype(np.float64).reshape(side, side, -1)
    table = np.einsum("ai,bj,ijd->abd", weights, weights, table, optimize=True)
    table = table.reshape(grid * grid, -1).astype(np.float32)
    return np.concatenate([positions[:1], table])


def _cubic_weights(old: int, new: int, antialias: bool) -> np.ndarray:
    """Which share each of the old has in each of the new: float64 [new, old]."""
    a, scale = (-0.5, max(1.0, old / new)) if antialias else (-0.75, 1.0)
    weights = np.zeros((new, old))
    for row, centre in enumerate((np.arange(new) + 0.5) * old / new - 0.5):
        reach = math.ceil(2 * scale) + 1
        near = np.arange(math.floor(centre) - reach, math.floor(centre) + reach + 1)
        share = _cubic((near - centre) / scale, a)
        if antialias:  # what lies outside has no share; without, the border has its
            share = np.where((near >= 0) & (near < old), share, 0)
        np.add.at(weights[row], np.clip(near, 0, old - 1), share)
    return weights / weights.sum(axis=1, keepdims=True)


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    x = np.abs(x)
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))


def expected(shape: Architecture, optional: Mapping[str, bool]) -> dict[str, tuple]:
    """The shapes of all weights by our names.

    Args:
      shape: of the network.
      optional: whether there are "patches/bias", "norm_in" and "scales" of blocks.
    """
    width, patch, hidden = shape.width, shape.patch, shape.hidden
    found: dict[str, tuple[int, ...]] = {
        "patches/kernel": (patch, patch, 3, width),
        "class": (1, width),
        "positions": (1 + shape.grid**2, width),
    }
    if optional["patches/bias"]:
        found["patches/bias"] = (width,)
    if shape.registers:
        found["registers"] = (shape.registers, width)
    if shape.projected:
        found["projection"] = (width, shape.projected)
    norms = ["norm", *(["norm_in"] if optional["norm_in"] else [])]
    for block in range(shape.depth):
        norms += [f"{block}/norm_1", f"{block}/norm_2"]
        for name in ("query", "key", "value", "out"):
            found |= _layer(f"{block}/{name}", width, width)
        found |= _layer(f"{block}/wide", width, hidden * (1 + shape.gated))
        found |= _layer(f"{block}/narrow", hidden, width)
        if optional["scales"]:
            found |= {f"{block}/scale_{n}": (width,) for n in (1, 2)}
    for name in norms:
        found |= {f"{name}/scale": (width,), f"{name}/shift": (width,)}
    return found


def _layer(name: str, before: int, after: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/kernel": (before, after), f"{name}/bias": (after,)}


def check(shape: Architecture) -> None:
    """Raises InputError for what is no network."""
    if shape.width % shape.heads:
        raise InputError(f"{shape.heads} heads do not divide {shape.width} channels")
    if shape.activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise InputError(f"the activation {shape.activation} is none of {known}")
