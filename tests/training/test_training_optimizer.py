"""Adam and its decay of weights against Keras' own; memory keyed by path."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.training.optimizer import Adam
from pdm_tf.training.rates import LearningRate


def test_equals_keras_adam_without_warmup():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4)).astype("f4")
    ours, theirs = tf.Variable(start), keras.Variable(start)
    adam = Adam({"w": ours}, LearningRate(1e-2, 0), 0.9, 0.99, epsilon=1e-8)
    reference = keras.optimizers.Adam(1e-2, beta_1=0.9, beta_2=0.99, epsilon=1e-8)
    reference.build([theirs])
    for step in range(20):
        g = tf.constant(rng.normal(size=(3, 4)), tf.float32)
        adam.apply([g], tf.constant(step, tf.int64))
        reference.apply([g])
    np.testing.assert_allclose(ours, theirs.value, atol=2e-6)


def test_kernels_decay_as_with_keras_adamw_and_biases_stay():
    rng = np.random.default_rng(0)
    start = {"w": rng.normal(size=(3, 4)), "b": rng.normal(size=4)}
    ours = {k: tf.Variable(v.astype("f4")) for k, v in start.items()}
    theirs = [keras.Variable(v.astype("f4"), name=k) for k, v in start.items()]
    adam = Adam(ours, LearningRate(1e-2, 0), 0.9, 0.99, weight_decay=0.3)
    reference = keras.optimizers.AdamW(
        1e-2, beta_1=0.9, beta_2=0.99, epsilon=1e-8, weight_decay=0.3
    )
    reference.exclude_from_weight_decay(var_list=theirs[1:])
    reference.build(theirs)
    for step in range(20):
        gradients = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in theirs]
        adam.apply(gradients, tf.constant(step, tf.int64))
        reference.apply(gradients)
    for variable, other in zip(ours.values(), theirs, strict=True):
        np.testing.assert_allclose(variable, other.value, atol=2e-6)


def test_memory_is_restored_by_path_whatever_the_order(tmp_path):
    a, b = tf.Variable([1.0, 2.0]), tf.Variable([3.0, 4.0])
    first = Adam({"a": a, "b": b}, LearningRate(0.1, 0))
    first.apply([tf.constant([1.0, 1.0]), tf.constant([5.0, 5.0])], tf.constant(0))
    path = tf.train.Checkpoint(adam=first).write(str(tmp_path / "ckpt"))
    second = Adam({"b": b, "a": a}, LearningRate(0.1, 0))
    tf.train.Checkpoint(adam=second).read(path).assert_consumed()
    np.testing.assert_array_equal(second.m["a"], first.m["a"])
    np.testing.assert_array_equal(second.v["b"], first.v["b"])


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_first_step_has_the_size_of_the_rate_whatever_the_gradient(size):
    w = tf.Variable([0.0])
    Adam({"w": w}, LearningRate(0.1, 0)).apply([tf.constant([size])], tf.constant(0))
    np.testing.assert_allclose(w, [-0.1], rtol=1e-3)


def test_an_update_is_one_operation_without_copies():
    """Or the temporary copies of all variables would be held at once."""
    weights = {name: tf.Variable([1.0, 2.0]) for name in "abc"}
    adam = Adam(weights, LearningRate(0.1, 0))
    step = tf.function(lambda g: adam.apply([g, g, g], tf.constant(0)))
    graph = step.get_concrete_function(tf.TensorSpec([2])).graph
    kinds = [node.type for node in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 3
    sizes = [x.shape for node in graph.get_operations() for x in node.outputs]
    assert sizes.count(tf.TensorShape([2])) == 1  # the gradient
