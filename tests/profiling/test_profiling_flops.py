"""Counted operations equal those counted by hand, whatever functions hide them."""

import numpy as np
import pytest
import tensorflow as tf

from pdm_tf.profiling.flops import count_call_flops, count_denoise_flops, count_flops
from pdm_tf.profiling.parameters import (
    count_bytes,
    count_parameters,
)
from pdm_tf.profiling.peak_memory import peak_memory

ONE = tf.TensorSpec([1, 8, 6, 2], tf.float32)
CONVOLUTION = 2 * (8 * 6 * 2) * (3 * 3 * 2)  # outputs, terms of each


@pytest.fixture
def kernel():
    return tf.Variable(tf.ones([3, 3, 2, 2]))


def convolve(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def any_batch(function):
    spec = tf.TensorSpec([None, 8, 6, 2], tf.float32)
    return tf.function(function, input_signature=[spec], autograph=False)


def test_by_hand():
    kernel = tf.Variable(tf.ones([3, 3, 2, 5]))
    matrix = tf.Variable(tf.ones([5, 7]))
    two = tf.constant([0, 0, 0, 2])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 8, 6, 2], tf.float32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None], tf.int32),
        ]
    )
    def denoise(z, t, labels):
        z = tf.nn.conv2d(z, kernel, 2, "SAME")  # [1, 4, 3, 5]
        small = tf.nn.conv2d_transpose(z, kernel, tf.shape(z) * [1, 2, 2, 0] + two, 2)
        z += tf.reduce_sum(small)
        rows = tf.reshape(z, [-1, 12, 5])
        scores = tf.einsum("nqd,nkd->nqk", rows, rows)  # [1, 12, 12]
        rows = tf.matmul(scores, rows)  # [1, 12, 5]
        return tf.matmul(tf.reshape(rows, [-1, 5]), matrix)  # [12, 7]

    doubled = 4 * 3 * 5 * 9 * 2
    products = 4 * 3 * 5 * 9 * 2 + doubled + 12 * 12 * 5 + 12 * 5 * 12 + 12 * 7 * 5
    assert count_denoise_flops(denoise, (8, 6, 2)) == 2 * products


def test_operations_of_a_doubling_are_those_of_its_products():
    """4/9 of those of a 3×3 convolution of the doubled grid."""
    kernel = tf.ones([4, 4, 5, 3])
    found = count_call_flops(
        lambda x: tf.nn.conv2d_transpose(x, kernel, [2, 8, 8, 5], strides=2),
        tf.TensorSpec([2, 4, 4, 3], tf.float32),
    )
    assert found == 4 / 9 * (2 * 9 * 3 * 5) * (2 * 8 * 8)


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
def test_functions_called_count_wherever_they_stand(kernel, depth, options):
    def call(x):
        return convolve(x, kernel)

    for _ in range(depth):
        call = tf.function(call, autograph=False, **options)
    assert count_call_flops(lambda x: call(call(x)), ONE) == 2 * CONVOLUTION


def test_shapes_reach_functions_that_were_traced_for_any_batch(kernel):
    inner = any_batch(lambda x: convolve(x, kernel))
    call = any_batch(lambda x: convolve(inner(x) + inner(x), kernel))
    assert count_call_flops(call, ONE) == 3 * CONVOLUTION
    three = tf.TensorSpec([3, 8, 6, 2], tf.float32)
    assert count_call_flops(call, three) == 9 * CONVOLUTION


def test_a_saved_model_counts_as_the_function_it_was(kernel, tmp_path):
    module = tf.Module()
    module.kernel = kernel
    module.call = any_batch(lambda x: convolve(tf.nn.relu(convolve(x, kernel)), kernel))
    tf.saved_model.save(module, str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    assert count_call_flops(lambda x: loaded.call(x), ONE) == 2 * CONVOLUTION


def test_the_body_of_a_loop_counts_once(kernel):
    def looped(x):
        return tf.while_loop(
            lambda i, x: i < 7, lambda i, x: (i + 1, convolve(x, kernel)), (0, x)
        )

    assert count_call_flops(looped, ONE) == CONVOLUTION


def test_the_dearest_branch_counts(kernel):
    def once(x):
        return convolve(x, kernel)

    def either(x):
        pred = tf.reduce_sum(x) > 0
        return tf.cond(pred, lambda: x, lambda: once(once(x))) + once(x)

    def one_of_three(x):
        index = tf.cast(tf.reduce_sum(x), tf.int32)
        return tf.switch_case(index, [lambda: x, lambda: once(x), lambda: x])

    assert count_call_flops(either, ONE) == 3 * CONVOLUTION
    assert count_call_flops(one_of_three, ONE) == CONVOLUTION


def test_what_the_graph_does_not_tell_is_not_guessed(kernel):
    call = any_batch(lambda x: convolve(x, kernel))
    assert count_flops(call.get_concrete_function()) is None


def test_parameters_are_the_floating_point_numbers_and_bytes_are_of_all():
    kernel, half = tf.Variable(tf.ones([3, 5])), tf.Variable(tf.ones([4], tf.bfloat16))
    named = {"kernel": kernel, "half": half, "step": tf.Variable(7, dtype=tf.int64)}
    assert count_parameters(named) == count_parameters(named.values()) == 19
    assert count_bytes(named) == count_bytes(named.values()) == 15 * 4 + 4 * 2 + 8


def test_parameters_of_a_network_are_those_that_keras_counts():
    import keras

    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    assert count_parameters(network.variables) == network.count_params() == 20


def test_peak_memory_is_no_less_than_what_is_held():
    held = np.ones(2**24)  # 128 MiB
    assert peak_memory()["host"] > held.nbytes
