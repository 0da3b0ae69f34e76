"""Constants that a graph holds once, however many of its layers read them."""

from weakref import WeakKeyDictionary

import numpy as np
import tensorflow as tf


class SharedConstant:
    """A table that many layers of a network read.

    A graph is copied many times while it is made ready, and each of its constants with
    it: those of a network's twelve blocks were a tenth of a GiB of a process.

    Args:
      value: the table, float32.
    """

    def __init__(self, value: np.ndarray) -> None:
        self.value = value
        # By name: a tensor would keep its graph alive.
        self._names: WeakKeyDictionary[tf.Graph, str] = WeakKeyDictionary()

    def tensor(self) -> tf.Tensor:
        """The table in the graph that is being made, or eagerly."""
        if tf.executing_eagerly():
            return tf.constant(self.value)
        graph = tf.compat.v1.get_default_graph()
        name = self._names.get(graph)
        if name is not None:
            return graph.get_tensor_by_name(name)
        made = tf.constant(self.value)
        self._names[graph] = made.name
        return made
