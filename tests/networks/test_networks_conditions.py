"""Rows of conditions: one label is its class, what is not known the null condition."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from quick import cases
from tiny_models import SHAPE, small_network

from pdm_tf.config import JiTConfig
from pdm_tf.config.conditioning import Attribute, Conditions
from pdm_tf.networks import JiT
from pdm_tf.networks.condition_embedding import attribute_vector

NAN = float("nan")
T = tf.constant([700, 100, 400])
Z = tf.random.stateless_normal([3, *SHAPE], (1, 2))


def jit(**own):
    settings = {"patch_size": 2, "num_classes": 3, "hidden_size": 16, "depth": 2}
    settings |= {"num_heads": 2, "bottleneck": 4, "context_tokens": 2}
    settings |= {"context_start": 1}
    network = JiT(JiTConfig(image_shape=SHAPE, **(settings | own)))
    rng = np.random.default_rng(0)
    for variable in network.variables:
        noise = rng.standard_normal(variable.shape, np.float32)
        variable.assign(variable + 0.1 * noise)
    return network


KINDS = {
    "gated": lambda **own: small_network(**own),
    "added": lambda **own: small_network(class_gate=False, **own),
    "jit": jit,
}


def with_weights_of(network, other):
    """A network with another's weights, where that has them."""
    held = {v.path: v.value for v in other.variables}
    for variable in network.variables:
        if variable.path in held:
            variable.assign(held[variable.path])
    return network


@pytest.fixture(scope="module", params=cases(KINDS, ("gated", "jit")))
def pair(request):
    """A network of classes, and one of several labels with its weights."""
    make = KINDS[request.param]
    classes = make()
    assert not any("attributes" in v.path for v in classes.variables)
    return classes, with_weights_of(make(several_labels=True), classes)


@pytest.fixture(scope="module", params=cases(KINDS, ("gated",)))
def told(request):
    """A network of classes, and one of attributes beside with its weights."""
    make = KINDS[request.param]
    classes = make()
    both = make(attributes=("age:0:100", "smiling"))
    return classes, with_weights_of(both, classes)


def time(network):
    return tf.cast(T, tf.float32) / 1000 if isinstance(network, JiT) else T


def output(network, labels):
    return network(Z, time(network), tf.constant(labels))[0].numpy()


def test_a_row_with_one_label_is_that_class_and_without_knowledge_none(pair):
    classes, several = pair
    rows = np.float32([[0, 0, 1], [1, 0, 0], [NAN, NAN, NAN]])
    np.testing.assert_array_equal(output(several, rows), output(classes, [2, 0, 3]))


def test_labels_of_a_picture_add_up_and_no_label_is_not_the_null_label(pair):
    _, several = pair
    table = several.classes.embeddings.numpy()
    rows = np.float32([[1, 1, 0], [0, 0, 0], [NAN, NAN, NAN]])
    both = output(several, rows)
    table[0] += table[1]
    several.classes.embeddings.assign(table)
    try:
        alone = output(several, np.float32([[1, 0, 0], [0, 0, 0], [NAN] * 3]))
    finally:
        table[0] -= table[1]
        several.classes.embeddings.assign(table)
    np.testing.assert_allclose(both, alone, atol=1e-5)
    one = several(Z[:1], time(several)[:1], tf.constant(rows[1:2]))[0]
    other = several(Z[:1], time(several)[:1], tf.constant(rows[2:]))[0]
    assert np.abs(one - other).max() > 1e-4


def test_attributes_that_are_not_known_change_no_bit(told):
    classes, both = told
    rows = np.float32([[0, 0, 1], [1, 0, 0], [NAN, NAN, NAN]])
    unknown = np.concatenate([rows, np.full([3, 2], NAN, np.float32)], axis=1)
    np.testing.assert_array_equal(output(both, unknown), output(classes, [2, 0, 3]))


def test_one_value_changed_changes_its_picture_and_no_other(told):
    _, both = told
    rows = np.float32([[0, 0, 1, 33, NAN], [1, 0, 0, NAN, 1], [0, 1, 0, 50, 0]])
    before = output(both, rows)
    assert np.isfinite(before).all()
    for column, value in ((3, 34), (4, 0.5)):
        changed = rows.copy()
        changed[0, column] = value
        moved = np.abs(output(both, changed) - before).max(axis=(1, 2, 3))
        assert moved[0] > 1e-6 and moved[1:].max() < 1e-6


def test_an_attribute_is_taken_on_the_scale_of_its_range():
    wide, narrow = (
        Conditions(3, False, (Attribute("age", 0.0, high),)) for high in (100.0, 1.0)
    )
    rows = np.float32([[1, 0, 0, 25], [0, 1, 0, 80], [0, 0, 1, NAN]])
    scaled = rows / np.float32([1, 1, 1, 100])
    got, wanted = attribute_vector(scaled, narrow), attribute_vector(rows, wide)
    np.testing.assert_allclose(got, wanted, atol=1e-6)
    np.testing.assert_allclose(wanted, [[1, -0.5], [1, 0.6], [0, 0]], atol=1e-6)


def test_without_classes_attributes_are_the_whole_row():
    network = jit(num_classes=0, attributes=("age",))
    assert network.classes is None and network.conditions.size == 1
    rows = tf.constant([[0.5], [NAN], [1.0]])
    assert network(Z, time(network), rows)[0].shape == Z.shape


def test_it_is_kept_in_a_keras_file(tmp_path):
    network = small_network(attributes=("age:0:100",), several_labels=True)
    network.save(tmp_path / "x.keras")
    loaded = keras.saving.load_model(tmp_path / "x.keras")
    rows = np.float32([[1, 0, 0, 25], [0, 1, 0, 80], [0, 0, 1, NAN]])
    np.testing.assert_array_equal(output(loaded, rows), output(network, rows))
