"""Settings -> the objects of a training: what is saved, and what takes a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from pdm_tf.assemble.building import (
    build_denoiser,
    build_objective,
    named_variables,
)
from pdm_tf.assemble.runs import load_weights, read_settings
from pdm_tf.config import Config
from pdm_tf.config.sealing import sealed_settings
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.denoisers.objective import Objective
from pdm_tf.pretrained import is_pretrained, locate
from pdm_tf.training.batch_sharding import check_batch_sharding
from pdm_tf.training.checkpoint_files import is_begun
from pdm_tf.training.checkpoints import Checkpoints
from pdm_tf.training.coordination import is_chief
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.further_averages import AllAverages, FurtherAverages
from pdm_tf.training.loss_scale import Guarded, LossScale, Unscaled
from pdm_tf.training.optimizer import Adam
from pdm_tf.training.rates import LearningRate, open_rate
from pdm_tf.training.train_step import Trainer


@dataclass(frozen=True, eq=False)
class Progress:
    """What a training of any objective keeps in a checkpoint."""

    objective: Objective
    rate: LearningRate
    optimizer: Adam
    average: MovingAverage
    further: FurtherAverages
    step: tf.Variable
    scale: LossScale | None
    checkpoints: Checkpoints


@dataclass(frozen=True, eq=False)
class State(Progress):
    """The same of a run, whose network learns."""

    denoiser: NetworkDenoiser


def build_state(
    config: Config,
    strategy: tf.distribute.Strategy,
    data: Mapping[str, Any] | None = None,
) -> State:
    """A fresh state of a run, its weights a function of the seed or of --init_from.

    Args:
      config: settings of a run.
      strategy: where its variables live.
      data: what the data set is known by, see `identity.identify`.
    """
    denoiser = build_learner(config, strategy)
    with strategy.scope():
        objective = build_objective(config, denoiser)
    progress = build_progress(objective, config, strategy, data)
    return State(**vars(progress), denoiser=denoiser)


def build_learner(config: Config, strategy: tf.distribute.Strategy) -> NetworkDenoiser:
    """The denoiser that a run trains, as it is before the first step."""
    training = config.training
    keras.utils.set_random_seed(training.seed)
    with strategy.scope():
        denoiser = build_denoiser(config)
    directory = Path(training.run_dir) / "checkpoints"
    if training.init_from and not is_begun(directory):
        source = training.init_from
        if is_pretrained(source):
            source = str(locate(source, "init_from"))
        read_settings(source, "init_from")
        load_weights(source, named_variables(denoiser.network))
    return denoiser


def build_progress(
    objective: Objective,
    config: Config,
    strategy: tf.distribute.Strategy,
    data: Mapping[str, Any] | None = None,
    unlearnt: Mapping[str, tf.Variable] | None = None,
) -> Progress:
    """Step 0 of a training: slots, averages and the folder of checkpoints.

    Args:
      objective: what is minimised; its variables are as they are to begin with.
      config: settings; of the network only the precision is read.
      strategy: where the objective's variables live.
      data: what the data set is known by, see `identity.identify`.
      unlearnt: variables that do not learn and are saved all the same, by name.
    """
    training, variables = config.training, objective.variables
    with strategy.scope():
        rate = open_rate(training, config.learning)
        optimizer = Adam(
            variables,
            rate,
            training.beta_1,
            training.beta_2,
            weight_decay=config.learning.weight_decay,
        )
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        step = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=first)
        scale = LossScale() if config.network.precision == "mixed_float16" else None
    average = MovingAverage(
        variables, training.ema_decay, training.ema_every, training.ema_warmup
    )
    further = FurtherAverages(
        variables, config.averaging, training.ema_every, training.ema_warmup
    )
    checkpoints = Checkpoints(
        Path(training.run_dir) / "checkpoints",
        variables,
        optimizer,
        average,
        step,
        training.keep,
        scale,
        data,
        writing=is_chief(strategy),
        unlearnt={**getattr(objective, "unlearnt", {}), **(unlearnt or {})},
        sealed=sealed_settings(config),
        further=further,
    )
    return Progress(
        objective, rate, optimizer, average, further, step, scale, checkpoints
    )


def build_trainer(
    config: Config, strategy: tf.distribute.Strategy, state: Progress
) -> Trainer:
    """The training step of a state."""
    training = config.training
    replicas = strategy.num_replicas_in_sync
    check_batch_sharding(replicas, training.batch_size, training.microbatch)
    scale: Unscaled | None = state.scale
    if scale is None and training.skip_nonfinite:
        scale = Guarded()
    return Trainer(
        strategy,
        state.objective,
        state.optimizer,
        AllAverages(state.average, state.further),
        state.step,
        training.batch_size,
        training.seed,
        training.clip_norm,
        scale,
        training.microbatch,
        training.remat,
    )
