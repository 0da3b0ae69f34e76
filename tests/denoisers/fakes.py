"""Networks that are cheap, that count, and whose answers a test can foresee."""

from types import SimpleNamespace

import tensorflow as tf

SHAPE = (4, 6, 2)


class CountingNetwork:
    """Answers slope·z + label + t / 1000, and counts calls where they are executed.

    Attributes:
      calls: how often it was asked, also inside a graph or a branch of one.
      pictures: how many pictures it was asked about.
    """

    def __init__(self, slope=0.5, num_classes=3, shape=SHAPE, dtype=tf.float32):
        self.config = SimpleNamespace(image_shape=shape, num_classes=num_classes)
        self.slope, self.dtype = slope, dtype
        self.calls, self.pictures = tf.Variable(0), tf.Variable(0)

    def reset(self):
        self.calls.assign(0)
        self.pictures.assign(0)

    def __call__(self, z, t, labels=None):
        self.calls.assign_add(1)
        self.pictures.assign_add(tf.shape(z)[0])
        assert t.shape.rank == 1 and t.dtype == tf.int32
        output = self.slope * z + tf.cast(t, tf.float32)[:, None, None, None] / 1000
        if labels is not None:
            assert labels.dtype == tf.int32
            output += tf.cast(labels, tf.float32)[:, None, None, None]
        variance = tf.sigmoid(output)
        return tf.cast(output, self.dtype), tf.cast(variance, self.dtype)
