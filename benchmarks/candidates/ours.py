"""This project: the network as `sample.py` and `train.py` run it."""

from dataclasses import fields

import numpy as np
import tensorflow as tf
from serving import serve

from pdm_tf.assemble.training import build_state, build_trainer
from pdm_tf.config import Config, TrainingConfig, UNetConfig
from pdm_tf.networks import PatchedUNet
from pdm_tf.networks.frozen import frozen


def network_config(settings: dict) -> UNetConfig:
    """Settings that have been through JSON."""
    known = {field.name for field in fields(UNetConfig)}
    return UNetConfig(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
            if name in known
        }
    )


def make_call(config: UNetConfig, batch: int):
    """One evaluation of the network, both outputs, as it is served."""
    network = PatchedUNet(config)
    rng = np.random.default_rng(0)  # zeros, as before a training, would cost less
    for variable in network.variables:
        variable.assign(rng.standard_normal(variable.shape, np.float32) * 0.02)
    call = frozen(network)
    labels = tf.range(batch) % config.num_classes if config.num_classes else None
    z, t = tf.random.normal([batch, *config.image_shape]), tf.fill([1], 500)
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
    return lambda: float(trainer.run_steps(data, tf.constant(1)).simple)


def make(order: dict):
    """The work of a case."""
    config = network_config(order["network"])
    return {"call": make_call, "train": make_training}[order["work"]](
        config, order["batch"]
    )


if __name__ == "__main__":
    serve(make)
