"""Laws of the patch transformer that need no other code to compare with."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

import pdm_tf as pdm
from pdm_tf.config import InputError
from pdm_tf.networks.jit_blocks import rotary_code, turned
from pdm_tf.networks.recomputation import recomputing
from pdm_tf.networks.transforms import LayerTransform, layers_of, transformed

TINY = pdm.JiTConfig(
    image_shape=(8, 12, 2),
    patch_size=4,
    hidden_size=16,
    depth=2,
    num_heads=2,
    num_classes=3,
    bottleneck=8,
    context_tokens=4,
    context_start=1,
)


def drawn(config, seed=0):
    """A network with weights that are zero nowhere."""
    network, rng = pdm.JiT(config), np.random.default_rng(seed)
    for v in network.variables:
        v.assign(rng.normal(0.0, 0.2, v.shape))
    return network


@pytest.fixture(scope="module")
def network():
    return drawn(TINY)


def inputs(config, count=3):
    rng = np.random.default_rng(1)
    z = tf.constant(rng.normal(size=(count, *config.image_shape)), tf.float32)
    labels = tf.range(count) % (config.num_classes + 1)
    return z, tf.constant([0.1, 0.5, 0.9])[:count], labels


@pytest.mark.parametrize(
    "change",
    [{}, {"num_classes": 0}, {"context_tokens": 0}, {"patch_size": 1}],
    ids=str,
)
def test_pictures_go_in_and_come_out_in_any_batch(change):
    config = replace(TINY, **change)
    network, (z, t, labels) = drawn(config), inputs(config)
    x, _ = network(z, t, labels)
    assert x.shape == z.shape and np.isfinite(x).all()
    for i in range(3):
        alone, _ = network(z[i : i + 1], t[i : i + 1], labels[i : i + 1])
        np.testing.assert_allclose(alone[0], x[i], atol=2e-5)
    shared, _ = network(z, t[:1], labels)  # one time for all pictures
    np.testing.assert_allclose(shared[0], x[0], atol=2e-5)


def test_fresh_it_is_the_zero_map():
    keras.utils.set_random_seed(0)
    x, _ = pdm.JiT(TINY)(*inputs(TINY))
    assert not x.numpy().any()


def test_products_of_turned_channels_know_the_distance_alone():
    """What rotary positions are for: q·k depends on how far apart, not on where."""
    turns = rotary_code(6, 5, 8, 2)
    rng = np.random.default_rng(0)
    q, k = (tf.constant(rng.normal(size=8), tf.float32) for _ in "qk")
    rows = [turned(tf.tile(v[None, None], [1, 32, 1]), turns)[0] for v in (q, k)]
    products = tf.matmul(rows[0], rows[1], transpose_b=True).numpy()[2:, 2:]
    products = products.reshape(6, 5, 6, 5)
    for down, right in [(1, 0), (0, 2), (3, 1)]:
        here = products[:-3, :-2, down : down + 3, right : right + 3]
        moved = [[here[i, j, i, j] for j in range(3)] for i in range(3)]
        np.testing.assert_allclose(moved, np.full([3, 3], moved[0][0]), rtol=1e-5)
    assert (turns.cosines.value[:2] == 1).all()
    assert not turns.of_even.value[:2].any() and not turns.of_odd.value[:2].any()


def test_two_channels_turn_as_a_complex_number():
    turns = rotary_code(3, 4, 8, 2)
    x = np.random.default_rng(1).normal(size=[2, 14, 8]).astype(np.float32)
    by = turns.cosines.value[:, 1::2] + 1j * turns.of_odd.value[:, 1::2]
    want = (x[..., 0::2] + 1j * x[..., 1::2]) * by
    got = turned(tf.constant(x), turns).numpy()
    np.testing.assert_allclose(got[..., 0::2] + 1j * got[..., 1::2], want, atol=1e-6)


def test_a_graph_holds_no_table_twice(network):
    """Copies of them in every block were a tenth of a GiB of sampling B/16."""
    given = inputs(TINY)
    graph = tf.function(network).get_concrete_function(*given).graph
    kept = [op.outputs[0] for op in graph.get_operations() if op.type == "Const"]
    tables = [one for one in kept if one.dtype == tf.float32 and one.shape.rank == 2]
    assert len(network.blocks) == 2 and len(tables) == 6  # three, both turns


def test_every_projection_takes_a_transform(network):
    class Half(LayerTransform):
        def kernel(self, w):
            return 0.5 * w

    given = inputs(TINY)
    plain, _ = network(*given)
    assert len(layers_of(network)) == 2 * 5 + 6
    for path in layers_of(network):
        with transformed({path: Half()}):
            assert np.abs(network(*given)[0] - plain).max() > 1e-6, path


def test_graph_and_recomputation_give_the_same(network):
    given = inputs(TINY)
    wanted, _ = network(*given)
    x, _ = tf.function(network, autograph=False)(*given)
    np.testing.assert_allclose(x, wanted, atol=2e-5)

    def gradients(again):
        with recomputing(again), tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(network(*given)[0]))
        return tape.gradient(loss, [v.value for v in network.trainable_variables])

    for a, b in zip(gradients(False), gradients(True), strict=True):
        a, b = tf.convert_to_tensor(a), tf.convert_to_tensor(b)
        assert np.abs(a - b).max() <= 1e-5 * (1 + np.abs(a).max())
        assert np.abs(a).max() > 0  # every weight learns


def test_half_precision_is_within_two_percent(network):
    half = pdm.JiT(replace(TINY, precision="mixed_bfloat16"))
    for theirs, ours in zip(half.variables, network.variables, strict=True):
        theirs.assign(ours)
    given = inputs(TINY)
    x, wanted = half(*given)[0], network(*given)[0]
    assert x.dtype == tf.float32
    assert np.linalg.norm(x - wanted) < 0.02 * np.linalg.norm(wanted)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patch_size": 5}, "patch_size=5: choose one that divides 8 and 12"),
        ({"num_heads": 3}, "num_heads=3: the 16 channels"),
        ({"num_heads": 8}, "num_heads=8"),
        ({"context_start": 2}, "context_start=2: choose one of the 2 blocks"),
        ({"image_shape": (8, 8)}, "image_shape=8,8"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        pdm.JiT(replace(TINY, **change))
