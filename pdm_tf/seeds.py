"""One seed per picture -> noise: stateless, portable, independent of the batch.

Philox integers agree between TensorFlow's CPU kernels and XLA; its floats do not.
So floats are made here from 32-bit integers, by Box-Muller. A picture's noise is a
function of its own key alone, whatever batch or replica it is computed in.
"""

import math

import tensorflow as tf

Shape = tuple[int, ...]


def _bits(key: tf.Tensor, count: int) -> tf.Tensor:
    return tf.random.stateless_uniform(
        [count], key, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )


def _uniform(bits: tf.Tensor) -> tf.Tensor:
    """uint32 bits -> float32 in [0, 1), multiples of 2**-24."""
    high = tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32))
    return tf.cast(high, tf.float32) * 2.0**-24


def _normal_picture(key: tf.Tensor, shape: Shape) -> tf.Tensor:
    size = math.prod(shape)
    u = tf.reshape(_uniform(_bits(key, size + size % 2)), [-1, 2])
    radius = tf.sqrt(-2.0 * tf.math.log(1.0 - u[:, 0]))
    angle = (2.0 * math.pi) * u[:, 1]
    pairs = tf.stack([radius * tf.cos(angle), radius * tf.sin(angle)], axis=1)
    return tf.reshape(tf.reshape(pairs, [-1])[:size], shape)


def keys(seeds: tf.Tensor, stream: tf.Tensor | int) -> tf.Tensor:
    """Keys of one stream of noise.

    Args:
      seeds: int32 [N], one per picture.
      stream: int32 [], which of a picture's noises: 0 for the start, i for step i.

    Returns:
      int32 [N, 2], for `normal`.
    """
    stream = tf.broadcast_to(tf.cast(stream, tf.int32), tf.shape(seeds))
    return tf.stack([tf.cast(seeds, tf.int32), stream], axis=1)


def step_keys(seed: int, step: tf.Tensor, stream: int, batch_size: int) -> tf.Tensor:
    """Keys of the examples of one training step: int32 [batch_size, 2].

    A function of (run seed, step, stream, index in the global batch).
    """
    root = _root(seed, step, stream)
    return tf.random.stateless_uniform(
        [batch_size, 2], root, minval=None, maxval=None, dtype=tf.int32, alg="philox"
    )


def _root(seed: int, step: tf.Tensor, stream: int) -> tf.Tensor:
    root = tf.stack([tf.cast(seed, tf.int32), tf.cast(step, tf.int32)])
    return tf.random.experimental.stateless_fold_in(root, stream, alg="philox")


def step_uniform(
    seed: int, step: tf.Tensor, stream: int, batch_size: int, count: int
) -> tf.Tensor:
    """Uniform numbers of a training step, float32 [batch_size, count] in [0, 1).

    A function of (run seed, step, stream, index in the global batch).
    """
    root = _root(seed, step, stream)
    shape = [batch_size, count]
    bits = tf.random.stateless_uniform(
        shape, root, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    return _uniform(bits)


def normal_from(u: tf.Tensor, angle: tf.Tensor) -> tf.Tensor:
    """Two independent uniform numbers in [0, 1) -> one that is standard normal."""
    return tf.sqrt(-2.0 * tf.math.log(1.0 - u)) * tf.cos((2.0 * math.pi) * angle)


def normal(keys: tf.Tensor, shape: Shape) -> tf.Tensor:
    """Standard normal noise, float32 [N, *shape], row n a function of keys[n]."""
    return tf.map_fn(
        lambda key: _normal_picture(key, shape),
        keys,
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )


def uniform(keys: tf.Tensor) -> tf.Tensor:
    """Uniform numbers in [0, 1), float32 [N], row n a function of keys[n]."""
    draw = tf.map_fn(
        lambda key: _bits(key, 1),
        keys,
        fn_output_signature=tf.TensorSpec([1], tf.uint32),
    )
    return _uniform(draw[:, 0])
