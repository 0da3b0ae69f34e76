"""Settings -> a training that runs: every object it needs, made in one place."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from pdm_tf.assemble.building import build_denoiser, build_schedule, named_variables
from pdm_tf.assemble.plan import describe
from pdm_tf.assemble.runs import export_run, recall, remember
from pdm_tf.config import Config, InputError
from pdm_tf.data.images import to_uint8
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import NetworkDenoiser
from pdm_tf.denoisers.guidance import check_interval, steered
from pdm_tf.denoisers.threshold import check_percentile
from pdm_tf.samplers import DDPM, sample
from pdm_tf.training.checkpoints import Checkpoints, load_average
from pdm_tf.training.distribution import choose_strategy
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.loop import Trainer
from pdm_tf.training.loss_scale import LossScale
from pdm_tf.training.objective import Objective
from pdm_tf.training.optimizer import Adam, LinearWarmup
from pdm_tf.training.reports import Reports
from pdm_tf.training.run import run


def check_settings(config: Config) -> None:
    """Raises InputError for settings that no training can run with."""
    training = config.training
    for name in ("iterations", "batch_size", "steps_per_call", "save_every", "keep"):
        if getattr(training, name) < 1:
            raise InputError(
                f"--{name}={getattr(training, name)}: at least 1 is needed"
            )
    if not 0 <= training.label_dropout <= 1:
        raise InputError(
            f"--label_dropout={training.label_dropout}: a share between 0 and 1"
        )
    build_schedule(config).grid(config.sampling.sample_steps)
    check_percentile(config.sampling.percentile)
    check_interval(config.sampling.guidance_interval)
    t_range(config)


def t_range(config: Config) -> tuple[int, int]:
    """First and last timestep that a run trains, both included.

    Raises:
      InputError: a range of SNR in which there is none.
    """
    training = config.training
    low, high = training.snr_low, training.snr_high or np.inf
    snr = np.exp(build_schedule(config).log_snr)
    (inside,) = np.nonzero((snr >= low) & (snr <= high))
    if not inside.size:
        raise InputError(
            f"--snr_low={low} --snr_high={training.snr_high}: no timestep lies "
            f"between; the schedule reaches from {snr[-1]:.2g} to {snr[0]:.4g}"
        )
    return int(inside[0]), int(inside[-1])


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


def build_state(config: Config, strategy: tf.distribute.Strategy) -> State:
    """A fresh state, its weights a function of the seed or of --init_from."""
    training = config.training
    keras.utils.set_random_seed(training.seed)
    with strategy.scope():
        denoiser = build_denoiser(config)
        variables = named_variables(denoiser.network)
        rate = LinearWarmup(training.learning_rate, training.warmup)
        optimizer = Adam(variables, rate, training.beta_1, training.beta_2)
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        step = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=first)
        scale = LossScale() if config.network.precision == "mixed_float16" else None
    if training.init_from:
        recall(training.init_from)
        load_average(Path(training.init_from) / "checkpoints", variables)
    average = MovingAverage(
        variables, training.ema_decay, training.ema_every, training.ema_warmup
    )
    directory = Path(training.run_dir) / "checkpoints"
    checkpoints = Checkpoints(
        directory, variables, optimizer, average, step, training.keep, scale
    )
    return State(denoiser, rate, optimizer, average, step, scale, checkpoints)


def build_trainer(
    config: Config, strategy: tf.distribute.Strategy, state: State
) -> Trainer:
    """The training step of a state."""
    training, diffusion = config.training, config.diffusion
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
        state.scale,
    )


def train(config: Config) -> bool:
    """Trains or resumes the run that config.training.run_dir names.

    Returns:
      Whether it is complete; False after Ctrl-C, with everything saved.

    Raises:
      InputError: settings, data or a run directory that do not fit each other.
    """
    check_settings(config)
    training, network = config.training, config.network
    strategy = choose_strategy()
    if training.dry_run:
        print(describe(config, build_denoiser(config), t_range(config)))
        return True
    data = config.data
    source = open_source(
        data.dataset,
        network.image_shape,
        network.num_classes,
        data_dir=data.data_dir,
        download=data.download,
    )
    state = build_state(config, strategy)
    if state.checkpoints.restore():
        at = f"step {int(state.step)} of {training.iterations}"
        print(f"resuming {training.run_dir} at {at}")
    remember(config)
    done = int(state.step)
    trainer = build_trainer(config, strategy, state)
    batches = training_batches(
        source, training.batch_size, training.seed, done, config.data.horizontal_flip
    )
    directory, draw = Path(training.run_dir), grid_drawer(config, state.average)
    reports = Reports(
        directory, training.iterations, done, training.batch_size, state.rate, draw
    )
    complete = run(training, trainer, iter(batches), state.checkpoints, reports)
    if complete and training.export:
        export_run(directory)
    return complete


def grid_drawer(config: Config, average: MovingAverage) -> Callable[[], np.ndarray]:
    """Draws the pictures of fixed seeds with the averaged weights of the moment."""
    sampling, classes = config.sampling, config.network.num_classes
    made: list = []

    def draw() -> np.ndarray:
        if not made:
            made.append(build_denoiser(config))
            labels = tf.range(sampling.sample_images) % max(classes, 1)
            weight = sampling.sample_guidance
            made.append(steered(made[0], labels, weight, sampling))
        for path, variable in named_variables(made[0].network).items():
            variable.assign(average.weights[path])
        x = sample(
            made[-1],
            DDPM(sampling.variance),
            made[0].schedule.grid(sampling.sample_steps),
            range(sampling.sample_images),
            config.network.image_shape,
        )
        return to_uint8(x).numpy()

    return draw
