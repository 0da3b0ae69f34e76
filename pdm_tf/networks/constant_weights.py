"""A network as it is served: its weights never change again."""

from collections.abc import Callable

import keras
import tensorflow as tf


def with_constant_weights(network: keras.Model) -> Callable:
    """The network as one function of any batch, its weights constants of its graph.

    Only filters that are constants does oneDNN lay out for its convolutions once; those
    of variables it lays out again in every call. A graph with constants takes many
    times their memory while it is made, so this is for what is not too large.

    Args:
      network: (z, t, labels) -> (output, variance), with a `config`. Its weights are
        read now.

    Returns:
      (z float32 [B, H, W, C], t int32 [B] or [1], labels int32 [B] or None) -> the
      same, to rounding. It is not inlined where it is called.
    """
    config = network.config
    values = [(v, v.numpy()) for v in network.variables]
    many = tf.TensorSpec([None], tf.int32)
    inputs = [tf.TensorSpec([None, *config.image_shape], tf.float32), many]
    if config.num_classes:
        inputs.append(many)

    def ask(*asked: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        constants = [(v, tf.constant(value)) for v, value in values]
        with keras.StatelessScope(state_mapping=constants):
            return network(*asked)

    compiled = tf.function(
        ask,
        input_signature=inputs,
        autograph=False,
        experimental_attributes={"_noinline": True},
    )

    def answer(
        z: tf.Tensor, t: tf.Tensor, labels: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return compiled(*(given for given in (z, t, labels) if given is not None))

    return answer
