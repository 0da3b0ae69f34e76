"""This project: the network as `sample.py` and `train.py` run it."""

from dataclasses import fields
from functools import partial

import numpy as np
import served
import tensorflow as tf
from serving import serve

from pdm_tf.assemble.training import build_state, build_trainer
from pdm_tf.config import Config, JiTConfig, TrainingConfig, UNetConfig
from pdm_tf.networks.constant_weights import with_constant_weights
from pdm_tf.serving.weights import CONSTANT


def network_config(
    settings: dict, transformer: dict | None = None
) -> UNetConfig | JiTConfig:
    """Settings that have been through JSON.

    Args:
      settings: of a run's network.
      transformer: of its transformer, looked at where the network is one.
    """
    kind: type = UNetConfig
    if transformer and settings["architecture"] == "jit":
        settings, kind = settings | transformer, JiTConfig
    known = {field.name for field in fields(kind)}
    return kind(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
            if name in known
        }
    )


def make_call(config: UNetConfig | JiTConfig, batch: int):
    """One evaluation of the network, both outputs, as it is served."""
    network = served.build_network(config)
    if 4 * network.count_params() <= CONSTANT:
        call = with_constant_weights(network)
    else:
        call = tf.function(network, autograph=False)
    labels = tf.range(batch) % config.num_classes if config.num_classes else None
    z = tf.random.normal([batch, *config.image_shape])
    t = tf.constant(served.times(network, 1))
    return lambda: [out.numpy() for out in call(z, t, labels)]


def make_training(config: UNetConfig, batch: int):
    """One optimiser step, with every part of the loss."""
    training = TrainingConfig(batch_size=batch, run_dir="unused")
    whole = Config(network=config, training=training)
    strategy = tf.distribute.get_strategy()
    trainer = build_trainer(whole, strategy, build_state(whole, strategy))
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (batch, *config.image_shape), np.uint8)
    labels = tf.zeros([batch], tf.int32)
    data = iter(tf.data.Dataset.from_tensors((tf.constant(pictures), labels)).repeat())
    return lambda: float(trainer.run_steps(data, tf.constant(1)).terms["simple"])


def make(order: dict):
    """The work of a case."""
    config = network_config(order["network"], order["transformer"])
    batch = order["batch"]
    makers = {
        "call": partial(make_call, config, batch),
        "train": partial(make_training, config, batch),
        "sample": partial(served.make_sampling, config, batch, order["steps"]),
        "export": partial(served.make_export, config),
        "load": partial(served.make_load, config),
        "read": partial(served.make_reading, config, order["dataset"], batch),
    }
    return makers[order["work"]]()


if __name__ == "__main__":
    serve(make)
