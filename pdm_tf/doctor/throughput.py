"""How fast a network learns, to compare with how fast its pictures are read."""

import time

import tensorflow as tf

from pdm_tf.assemble.building import plain_augmentation
from pdm_tf.assemble.training import build_state, build_trainer, check_settings
from pdm_tf.config import Config
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.sources import Source
from pdm_tf.training.distribution import choose_strategy


def measure_training(config: Config, source: Source, steps: int) -> float:
    """Pictures per second of the training step, reading included.

    The first steps, in which the graph is made, are not counted.

    Args:
      config: settings of a run, whose directory is not used.
      source: pictures of the network's shape.
      steps: optimiser steps to time.

    Raises:
      InputError: settings that no training can run with.
    """
    check_settings(config)
    training, strategy = config.training, choose_strategy()
    trainer = build_trainer(config, strategy, build_state(config, strategy))
    batches = iter(
        training_batches(
            source,
            training.batch_size,
            training.seed,
            horizontal_flip=config.data.horizontal_flip,
            augmentation=plain_augmentation(config),
        )
    )
    trainer.run_steps(batches, tf.constant(2))
    began = time.perf_counter()
    trainer.run_steps(batches, tf.constant(steps)).terms["simple"].numpy()
    return steps * training.batch_size / (time.perf_counter() - began)
