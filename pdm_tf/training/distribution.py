"""Where replicas live. One device needs no strategy of its own."""

import tensorflow as tf


def choose_strategy() -> tf.distribute.Strategy:
    """The strategy to train under: TensorFlow's default, one device."""
    return tf.distribute.get_strategy()
