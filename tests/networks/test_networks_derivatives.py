"""Graphs that are served leave gradients to TensorFlow, and give the same."""

import numpy as np
import tensorflow as tf

from pdm_tf.networks.derivatives import derived_by_tensorflow, silu
from pdm_tf.networks.layers import GroupNorm


def value_and_gradient(layer, x: tf.Tensor) -> tuple:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = silu(layer(x))
        whole = tf.reduce_sum(y * tf.range(float(tf.size(y))).numpy().reshape(y.shape))
    return y, tape.gradient(whole, x)


def test_values_and_gradients_are_those_of_training():
    layer = GroupNorm()
    x = tf.random.stateless_normal([2, 3, 4, 64], [1, 2])
    trained = value_and_gradient(layer, x)
    with derived_by_tensorflow():
        served = value_and_gradient(layer, x)
    np.testing.assert_array_equal(trained[0], served[0])
    scale = np.abs(trained[1]).max()
    np.testing.assert_allclose(trained[1] / scale, served[1] / scale, atol=1e-5)
