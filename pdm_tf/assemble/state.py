"""Settings -> the objects of a training: what is saved, and what takes a step."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from pdm_tf.assemble.building import build_denoiser, named_variables
from pdm_tf.assemble.runs import read_settings
from pdm_tf.assemble.settings import t_range
from pdm_tf.config import Config
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.networks import shapes
from pdm_tf.training.batch_sharding import check_batch_sharding
from pdm_tf.training.checkpoint_files import is_begun
from pdm_tf.training.checkpoints import Checkpoints, load_average
from pdm_tf.training.coordination import is_chief
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.loss_scale import Guarded, LossScale, Unscaled
from pdm_tf.training.objective import Objective
from pdm_tf.training.optimizer import Adam, LinearWarmup
from pdm_tf.training.train_step import Trainer


@dataclass(frozen=True, eq=False)
class State:
    """Everything of a training that a checkpoint keeps."""

    denoiser: NetworkDenoiser
    rate: LinearWarmup
    optimizer: Adam
    average: MovingAverage
    step: tf.Variable
    scale: LossScale | None
    checkpoints: Checkpoints


def build_state(
    config: Config,
    strategy: tf.distribute.Strategy,
    data: Mapping[str, Any] | None = None,
) -> State:
    """A fresh state, its weights a function of the seed or of --init_from.

    Args:
      config: settings of a run.
      strategy: where its variables live.
      data: what the data set is known by, see `identity.identify`.
    """
    training = config.training
    keras.utils.set_random_seed(training.seed)
    with strategy.scope():
        with rematerialized(config):
            denoiser = build_denoiser(config)
        variables = named_variables(denoiser.network)
        rate = LinearWarmup(training.learning_rate, training.warmup)
        optimizer = Adam(variables, rate, training.beta_1, training.beta_2)
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        step = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=first)
        scale = LossScale() if config.network.precision == "mixed_float16" else None
    directory = Path(training.run_dir) / "checkpoints"
    if training.init_from and not is_begun(directory):
        read_settings(training.init_from)
        load_average(Path(training.init_from) / "checkpoints", variables)
    average = MovingAverage(
        variables, training.ema_decay, training.ema_every, training.ema_warmup
    )
    checkpoints = Checkpoints(
        directory,
        variables,
        optimizer,
        average,
        step,
        training.keep,
        scale,
        data,
        writing=is_chief(strategy),
    )
    return State(denoiser, rate, optimizer, average, step, scale, checkpoints)


def rematerialized(config: Config) -> contextlib.AbstractContextManager:
    """While entered, blocks are built that forget what they computed (--remat)."""
    if not config.training.remat:
        return contextlib.nullcontext()
    names = [f"middle_{i}" for i in (0, 1)] + ["middle_attention"]
    for level, blocks in enumerate(shapes.blocks_of_levels(config.network)):
        for i in range(blocks + 1):  # the way up has one more
            for name in (f"down_{level}_{i}", f"up_{level}_{i}"):
                names += [name, f"{name}_attention"]
    return keras.RematScope(mode="list_of_layers", layer_names=names)


def build_trainer(
    config: Config, strategy: tf.distribute.Strategy, state: State
) -> Trainer:
    """The training step of a state."""
    training, diffusion = config.training, config.diffusion
    replicas = strategy.num_replicas_in_sync
    check_batch_sharding(replicas, training.batch_size, training.microbatch)
    scale: Unscaled | None = state.scale
    if scale is None and training.skip_nonfinite:
        scale = Guarded()
    objective = Objective(
        state.denoiser.network,
        state.denoiser.schedule,
        diffusion.prediction,
        diffusion.weighting,
        training.label_dropout,
        t_range(config),
    )
    return Trainer(
        strategy,
        objective,
        state.optimizer,
        state.average,
        state.step,
        training.batch_size,
        training.seed,
        training.clip_norm,
        scale,
        training.microbatch,
    )
