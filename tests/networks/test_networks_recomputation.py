"""Gradients of blocks computed again are those of blocks that were kept."""

from contextlib import nullcontext

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from quick import cases

from pdm_tf.config import UNetConfig
from pdm_tf.networks import PatchedUNet
from pdm_tf.networks.recomputation import recomputing
from pdm_tf.networks.transforms import LayerTransform, transformed

CONFIG = UNetConfig(
    image_shape=(8, 8, 1),
    patch_size=2,
    width=8,
    channel_multipliers=(1.0, 2.0),
    blocks_per_level=1,
    attention_resolutions=(4,),
    num_classes=3,
)
PATHS = ("down_0_0/conv_out", "down_0_0/time", "middle_attention/qkv", "up_1_0/skip")
KINDS = {
    "eager": lambda f: f,
    "graph": tf.function,
    "noinline": lambda f: tf.function(f, experimental_attributes={"_noinline": True}),
    "xla": lambda f: tf.function(f, jit_compile=True),
}


class Shifting(LayerTransform):
    """Moves the kernel, the input and, by the mean timestep, the output."""

    def __init__(self, seed):
        tf.random.set_seed(seed)
        for name in ("of_kernel", "of_input", "of_output"):
            setattr(self, name, tf.Variable(0.1 * tf.random.normal([])))

    def kernel(self, w):
        return w * (1.0 + self.of_kernel)

    def inputs(self, x, t):
        return x + self.of_input

    def output(self, y, x, t):
        time = tf.reduce_mean(tf.cast(t, tf.float32)) / 100.0
        return y + self.of_output * time


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return reference.randomise(PatchedUNet(CONFIG))


@pytest.fixture(scope="module")
def plan():
    return {path: Shifting(i) for i, path in enumerate(PATHS)}


def gradients(network, plan, kind, again):
    """Of a loss of both outputs, to all weights and all transforms."""
    rng = np.random.default_rng(0)
    z = tf.constant(rng.normal(size=(2, 8, 8, 1)), tf.float32)
    t, labels = tf.constant([30, 700]), tf.constant([0, 2])

    def evaluate(z):
        with transformed(plan):
            return network(z, t, labels)

    evaluate = KINDS[kind](evaluate)
    own = [v for change in plan.values() for v in change.variables.values()]
    variables = [*own, *(v.value for v in network.trainable_variables)]

    def step():
        with recomputing() if again else nullcontext(), tf.GradientTape() as tape:
            output, variance = evaluate(z)
            loss = tf.reduce_sum(tf.square(output)) + tf.reduce_sum(variance)
        # A plan of another model may be in force when gradients are taken.
        with transformed({}):
            found = tape.gradient(loss, variables)
        return [tf.convert_to_tensor(g) for g in found]

    return [g.numpy() for g in (step if kind == "eager" else tf.function(step))()]


@pytest.mark.parametrize(
    "kind",
    cases(["eager", "graph", "noinline", "xla"], ["eager", "noinline"]),
)
def test_gradients_of_transforms_and_weights_are_the_same(kind, network, plan):
    kept = gradients(network, plan, "eager", again=False)
    again = gradients(network, plan, kind, again=True)
    assert all(np.abs(g) > 1e-4 for g in kept[: 3 * len(PATHS)])
    for a, b in zip(kept, again, strict=True):
        scale = max(np.abs(a).max(), 1.0)
        np.testing.assert_allclose(b, a, atol=2e-5 * scale)


def convolutions(network, again):
    z, t, labels = (
        tf.zeros([1, 8, 8, 1]),
        tf.zeros([1], tf.int32),
        tf.zeros([1], tf.int32),
    )

    def step():
        with recomputing(again), tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(z, t, labels)[0])
        return tape.gradient(loss, network.trainable_variables[0].value)

    graph = tf.function(step, autograph=False).get_concrete_function().graph
    return [node.type for node in graph.get_operations()].count("Conv2D")


def test_every_block_is_computed_again_and_no_other_layer(network):
    """Its convolutions: two of a residual block, and one around it."""
    blocks = [
        b for group in (*network.down, network.middle, *network.up) for b in group
    ]
    inside = sum(2 + bool(b.skip) for b in blocks if hasattr(b, "conv_in"))
    assert convolutions(network, True) - convolutions(network, False) == inside
