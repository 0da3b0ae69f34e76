"""Writes the golden arrays that hold our layers to tensorflow-addons' normalisation.

Run once, in an environment of its own; the package does not import with TensorFlow
2.16 or newer:

    python3.11 -m venv old
    old/bin/pip install tensorflow-cpu==2.15.1 tensorflow-addons==0.23.0 "numpy<2"
    old/bin/python tests/golden/make_tfa_golden.py

It writes tfa_norms.npz and tfa_blocks.npz beside itself, the same bytes every time.
Inputs and kernels are whole multiples of a power of two, so that a byte holds each of
them exactly. The layers are Keras 2's, the normalisation is tensorflow-addons' own, and
weights are saved under the paths that ours have.
"""

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

HERE = Path(__file__).parent
PACKAGES = ("tensorflow-cpu", "keras", "tensorflow-addons", "numpy")
INPUT_GRID, KERNEL_GRID = 2.0**-5, 2.0**-7
EPSILON = 1e-3  # the package's default, which the paper kept

NORMS = {  # shape, groups, mean, standard deviation, affine
    "one channel a group": ((2, 3, 3, 32), 32, 0.0, 1.0, True),
    "two channels a group": ((1, 2, 3, 64), 32, 3.0, 1.0, True),
    "four channels a group": ((1, 2, 2, 128), 32, -1.0, 2.0, True),
    "24 groups": ((2, 3, 2, 48), 24, 0.5, 1.0, True),
    "one value a group": ((2, 1, 1, 12), 12, 0.0, 1.0, True),
    "not affine": ((2, 2, 2, 64), 32, 1.0, 1.0, False),
    "far from 0": ((1, 3, 2, 64), 32, 30.0, 1.0, True),
    "far from 0, not affine": ((1, 2, 2, 96), 32, -30.0, 1.0, False),
    "narrow": ((1, 2, 3, 64), 32, 3.0, 0.1, True),
    "nearly constant": ((1, 3, 2, 64), 32, 0.0, 1e-3, True),
}


def normalisation(groups: int, affine: bool = True) -> tf.keras.layers.Layer:
    """The package's layer, its epsilon left at the default."""
    layer = tfa.layers.GroupNormalization(groups, axis=-1, center=affine, scale=affine)
    assert layer.epsilon == EPSILON
    return layer


def silu(x: tf.Tensor) -> tf.Tensor:
    return x * tf.sigmoid(x)


class Attention(tf.keras.layers.Layer):
    """Self-attention in heads of 64 channels; queries, keys and values made apart."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        gamma, beta = weights["norm/gamma"], weights["norm/beta"]
        self.norm, self.heads = loaded(normalisation(32), gamma, beta), gamma.size // 64
        kernels = np.split(weights["qkv/kernel"], 3, axis=1)
        biases = np.split(weights["qkv/bias"], 3)
        self.query, self.key, self.value = (
            loaded(tf.keras.layers.Dense(gamma.size), kernel, bias)
            for kernel, bias in zip(kernels, biases, strict=True)
        )
        self.out = dense(weights, "out")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        h = self.norm(x)
        length = x.shape[1] * x.shape[2]
        q, k, v = (
            tf.reshape(layer(h), [-1, length, self.heads, 64])
            for layer in (self.query, self.key, self.value)
        )
        small = 64.0**-0.25
        likeness = tf.einsum("bihd,bjhd->bhij", q * small, k * small)
        h = tf.einsum("bhij,bjhd->bihd", tf.nn.softmax(likeness), v)
        return x + self.out(tf.reshape(h, tf.shape(x)))


class Residual(tf.keras.layers.Layer):
    """Two convolutions, scaled and shifted by the time, gated by the class."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        gamma, beta = weights["norm_in/gamma"], weights["norm_in/beta"]
        self.first = loaded(normalisation(32), gamma, beta)
        self.second = normalisation(32, affine=False)
        self.conv_in = convolution(weights, "conv_in")
        self.conv_out = convolution(weights, "conv_out")
        self.time = dense(weights, "time")
        self.gate = dense(weights, "gate") if "gate/kernel" in weights else None
        self.skip = dense(weights, "skip") if "skip/kernel" in weights else None

    def call(self, x: tf.Tensor, time: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        h = self.conv_in(silu(self.first(x)))
        scale, shift = tf.split(self.time(time)[:, None, None, :], 2, axis=-1)
        h = self.second(h) * (1.0 + scale) + shift
        h = self.conv_out(silu(h))
        if self.gate is not None:
            h = h * tf.sigmoid(self.gate(classes) + 2.0)[:, None, None, :]
        return h + (x if self.skip is None else self.skip(x))


def loaded(layer: tf.keras.layers.Layer, *weights: np.ndarray) -> tf.keras.layers.Layer:
    """The layer with these weights: kernel and bias, or gamma and beta."""
    layer.build((None, None, None, weights[0].shape[-2:][0]))  # of the input
    layer.set_weights(weights)
    return layer


def dense(weights: dict, name: str) -> tf.keras.layers.Layer:
    kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
    return loaded(tf.keras.layers.Dense(bias.size), kernel, bias)


def convolution(weights: dict, name: str) -> tf.keras.layers.Layer:
    kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
    return loaded(tf.keras.layers.Conv2D(bias.size, 3, padding="same"), kernel, bias)


def on_grid(values: np.ndarray, grid: float) -> np.ndarray:
    """Whole multiples of the grid that fit in a byte, float32."""
    return np.float32(np.clip(np.round(values / grid), -127, 127) * grid)


def draw(rng: np.random.RandomState, shapes: dict[str, tuple]) -> dict[str, np.ndarray]:
    """Random weights of every path; kernels keep magnitudes near 1."""
    weights = {}
    for path, shape in shapes.items():
        values = rng.standard_normal(shape)
        if path.endswith("kernel"):
            values = on_grid(values / np.sqrt(np.prod(shape[:-1])), KERNEL_GRID)
        else:
            values = 0.3 * values + (1.0 if path.endswith("gamma") else 0.0)
        weights[path] = np.float32(values)
    return weights


def shapes_of_residual(inner: int, channels: int, time: int, gate: int = 0) -> dict:
    shapes = {
        "norm_in/gamma": (inner,),
        "norm_in/beta": (inner,),
        "conv_in/kernel": (3, 3, inner, channels),
        "time/kernel": (time, 2 * channels),
        "conv_out/kernel": (3, 3, channels, channels),
    }
    if gate:
        shapes["gate/kernel"] = (gate, channels)
    if inner != channels:
        shapes["skip/kernel"] = (inner, channels)
    return with_biases(shapes)


def shapes_of_attention(channels: int) -> dict:
    shapes = {
        "norm/gamma": (channels,),
        "norm/beta": (channels,),
        "qkv/kernel": (channels, 3 * channels),
        "out/kernel": (channels, channels),
    }
    return with_biases(shapes)


def with_biases(shapes: dict[str, tuple]) -> dict[str, tuple]:
    """One bias for each kernel, as long as its last axis."""
    biases = {p.replace("kernel", "bias"): s[-1:] for p, s in shapes.items()}
    return biases | shapes


def norm_case(rng: np.random.RandomState, case: tuple) -> dict[str, np.ndarray]:
    """Input, weights, output and gradients of one normalisation."""
    shape, groups, mean, deviation, affine = case
    layer = normalisation(groups, affine)
    layer.build((None, *shape[1:]))
    weights = {}
    if affine:
        weights = draw(rng, {"gamma": shape[-1:], "beta": shape[-1:]})
        layer.set_weights([weights["gamma"], weights["beta"]])
    around = mean * rng.uniform(0.5, 1.0, shape[-1])  # channels differ in their mean
    x = np.float32(around + deviation * rng.standard_normal(shape))
    up = on_grid(rng.standard_normal(shape), INPUT_GRID)
    with tf.GradientTape() as tape:
        source = tf.constant(x)
        tape.watch(source)
        y = layer(source)
        loss = tf.reduce_mean(y * up)
    found = tape.gradient(loss, [source, *layer.trainable_weights])
    names = ["x", *(w.name.split("/")[-1].split(":")[0] for w in layer.weights)]
    gradients = {f"gradient/{n}": g.numpy() for n, g in zip(names, found, strict=True)}
    seen = {"x": x, "up": np.int8(up / INPUT_GRID), "y": y.numpy(), "groups": groups}
    return {**seen, **weights, **gradients}


def block_case(block: type, weights: dict, given: dict) -> dict[str, np.ndarray]:
    """Inputs and kernels as bytes, other weights and the output as they are."""
    stored = {"y": block(weights)(*given.values()).numpy()}
    for name, value in given.items():
        stored[name] = np.int8(value / INPUT_GRID)
    for path, value in weights.items():
        is_kernel = path.endswith("kernel")
        stored[path] = np.int8(value / KERNEL_GRID) if is_kernel else value
    return stored


def main() -> None:
    rng = np.random.RandomState(0)  # the one whose numbers never change

    def given(**shapes: tuple) -> dict[str, np.ndarray]:
        return {
            name: on_grid(rng.standard_normal(shape), INPUT_GRID)
            for name, shape in shapes.items()
        }

    norms = {name: norm_case(rng, case) for name, case in NORMS.items()}
    blocks = {
        "attention of two heads": block_case(
            Attention, draw(rng, shapes_of_attention(128)), given(x=(2, 3, 4, 128))
        ),
        "residual, skip and gate": block_case(
            Residual,
            draw(rng, shapes_of_residual(64, 32, 12, 8)),
            given(x=(2, 4, 5, 64), time=(2, 12), classes=(2, 8)),
        ),
        "residual, neither": block_case(
            Residual,
            draw(rng, shapes_of_residual(32, 32, 12)),
            given(x=(2, 4, 3, 32), time=(2, 12), classes=(2, 8)),
        ),
    }
    versions = {
        **{name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
    }
    for file, cases in (("tfa_norms", norms), ("tfa_blocks", blocks)):
        arrays = {f"{c}:{k}": v for c, held in cases.items() for k, v in held.items()}
        path = HERE / f"{file}.npz"
        grids = {"input": INPUT_GRID, "kernel": KERNEL_GRID}
        np.savez_compressed(
            path, versions=json.dumps(versions), grids=json.dumps(grids), **arrays
        )
        print(path.name, f"{path.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
