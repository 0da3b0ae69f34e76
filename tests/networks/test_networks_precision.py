"""Half precision: where it may not reach, and how little it changes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import reference
import tensorflow as tf
from quick import cases

from pdm_tf.config import UNetConfig
from pdm_tf.denoisers import NetworkDenoiser, guided
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.networks import PatchedUNet
from pdm_tf.samplers import DDPM, sample

HALVES = {"mixed_bfloat16": tf.bfloat16, "mixed_float16": tf.float16}
SMALL = UNetConfig(
    image_shape=(16, 16, 3),
    patch_size=2,
    width=32,
    channel_multipliers=(1.0, 2.0),
    blocks_per_level=1,
    attention_resolutions=(4,),
    num_classes=3,
)
CLOSE = {"mixed_bfloat16": 0.02, "mixed_float16": 0.005}  # relative error allowed
SCHEDULE = NoiseSchedule.linear()
ISLANDS = {"patches_in", "patches_out", "time_1", "time_2", "variance_out"}
ARITHMETIC = {"Conv2D", "MatMul", "BatchMatMulV2", "BiasAdd", "Softmax"}
STATISTICS = {"Mean", "SquaredDifference", "Square", "Rsqrt"}


NETWORK = reference.randomise(PatchedUNet(SMALL))


@cache
def in_half(precision):
    """The same weights, computed in another precision."""
    made = PatchedUNet(replace(SMALL, precision=precision))
    for mine, its in zip(made.variables, NETWORK.variables, strict=True):
        assert mine.dtype == "float32"
        mine.assign(its)
    return made


def traced(function, *arguments):
    """(name, operation, type of its numbers) of every node, those of loops included."""
    concrete = tf.function(function, autograph=False).get_concrete_function(*arguments)
    graph = concrete.graph.as_graph_def()
    functions = [list(inner.node_def) for inner in graph.library.function]
    for node in sum(functions, list(graph.node)):
        held = [node.attr[key].type for key in ("T", "DstT", "dtype")]
        yield node.name, node.op, {tf.dtypes.as_dtype(t) for t in held if t}


def layers_of(name):
    """The layers that a node lies in, below the network; Keras appends _1 to each."""
    parts = name.split("/")
    parts = parts[[part.startswith("unet") for part in parts].index(True) + 1 :]
    return [part.removesuffix("_1") for part in parts[:-1]]


def noisy(t):
    """A batch with every label and no label, at a timestep, and its level."""
    rng = np.random.default_rng(0)
    x = np.tanh(rng.normal(size=(4, *SMALL.image_shape)))
    level = SCHEDULE.level(t)
    z = level.signal.numpy() * x + level.noise.numpy() * rng.normal(size=x.shape)
    return tf.constant(z, tf.float32), level, tf.range(4)


def distance(a, b):
    return float(tf.norm(a - b) / tf.norm(b))


# --- where ----------------------------------------------------------------------------


@pytest.mark.parametrize("precision", HALVES)
def test_islands_stay_in_float32_and_the_rest_does_not(precision):
    z, level, labels = noisy(500)
    nodes = traced(in_half(precision), z, level.t[None], labels)
    seen = set()
    for name, operation, kinds in nodes:
        if not name.startswith("unet") or operation not in ARITHMETIC:
            continue
        layer = layers_of(name)[0]
        island = layer in ISLANDS
        seen |= {layer} if island else set()
        assert kinds == {tf.float32 if island else HALVES[precision]}, name
    assert seen == ISLANDS


@pytest.mark.parametrize("precision", HALVES)
def test_statistics_of_groups_are_float32(precision):
    z, level, labels = noisy(500)
    counted = 0
    for name, operation, kinds in traced(in_half(precision), z, level.t[None], labels):
        if operation in STATISTICS and "norm" in name:
            counted += 1
            assert kinds == {tf.float32}, name
    norms = sum("/norm" in layer.path for layer in NETWORK._flatten_layers())
    assert counted >= 4 * norms > 0


@pytest.mark.parametrize("precision", cases(HALVES, ["mixed_bfloat16"]))
def test_nothing_outside_of_the_network_is_in_half_precision(precision):
    denoise = guided(NetworkDenoiser(in_half(precision), SCHEDULE), tf.range(2), 1.5)

    def draw(seeds):
        return sample(denoise, DDPM(), SCHEDULE.grid(5), seeds, SMALL.image_shape)

    half = {
        n for n, _, kinds in traced(draw, tf.range(2)) if HALVES[precision] in kinds
    }
    assert half
    assert [name for name in half if "unet" not in name] == []
    assert draw(tf.range(2)).dtype == tf.float32


# --- how little -----------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "share"), CLOSE.items())
@pytest.mark.parametrize(
    "t", [258, *(pytest.param(end, marks=pytest.mark.slow) for end in (0, 999))]
)
def test_the_estimate_in_x_is_close(precision, share, t):
    z, level, labels = noisy(t)
    exact = NetworkDenoiser(NETWORK, SCHEDULE).conditioned(labels)(z, level)
    got = NetworkDenoiser(in_half(precision), SCHEDULE).conditioned(labels)(z, level)
    assert got.x.dtype == got.variance.dtype == tf.float32
    assert 0 < distance(got.x, exact.x) < share
    assert distance(got.variance, exact.variance) < share


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("scale", [0.0, 1e-3, 100.0])
def test_any_picture_gives_finite_numbers(precision, scale):
    z, level, labels = noisy(999)
    for part in in_half(precision)(scale * z, level.t[None], labels):
        assert np.isfinite(part.numpy()).all()


@pytest.mark.parametrize(("precision", "share"), CLOSE.items())
def test_gradients_are_float32_finite_and_close(precision, share):
    z, level, labels = noisy(258)

    def gradients(network):
        with tf.GradientTape() as tape:
            x, variance = network(z, level.t[None], labels)
            loss = tf.reduce_mean(tf.square(x)) + tf.reduce_mean(variance)
        found = tape.gradient(loss, [v.value for v in network.trainable_variables])
        return [tf.convert_to_tensor(g) for g in found]

    exact, got = gradients(NETWORK), gradients(in_half(precision))
    for variable, gradient in zip(NETWORK.variables, got, strict=True):
        assert gradient.dtype == tf.float32
        assert np.isfinite(gradient.numpy()).all(), variable.path
    flat, wanted = (
        tf.concat([tf.reshape(g, [-1]) for g in gs], 0) for gs in (got, exact)
    )
    assert distance(flat, wanted) < 2 * share
