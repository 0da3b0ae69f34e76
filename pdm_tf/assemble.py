"""Settings -> objects, run directory -> denoiser: the only file that knows every shelf.

A run directory holds config.flags (its record), checkpoints/, samples/, logs/ and
export/.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from pdm_tf import flags
from pdm_tf.config import Config, InputError
from pdm_tf.data.images import to_uint8
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.sources import open_source
from pdm_tf.denoisers import NetworkDenoiser, guided
from pdm_tf.diffusion import NoiseSchedule
from pdm_tf.export import export_saved_model
from pdm_tf.networks import PatchedUNet
from pdm_tf.samplers import DDPM, sample
from pdm_tf.training.checkpoints import (
    Checkpoints,
    load_average,
    write_atomically,
)
from pdm_tf.training.distribution import choose_strategy
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.loop import Trainer
from pdm_tf.training.objective import Objective
from pdm_tf.training.optimizer import Adam, LinearWarmup
from pdm_tf.training.reports import Reports
from pdm_tf.training.run import run

RECORD = "config.flags"


def named_variables(network: keras.Model) -> dict[str, tf.Variable]:
    """A network's trainable variables by path."""
    return {v.path: v.value for v in network.trainable_variables}


def build_schedule(config: Config) -> NoiseSchedule:
    """The schedule of a run."""
    return NoiseSchedule.linear(config.diffusion.timesteps, config.diffusion.beta_end)


def build_denoiser(config: Config) -> NetworkDenoiser:
    """A run's denoiser, its network freshly drawn."""
    network = PatchedUNet(config.network)
    return NetworkDenoiser(
        network, build_schedule(config), config.diffusion.prediction
    )


def check_training(config: Config) -> None:
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


def train(config: Config) -> bool:
    """Trains or resumes the run that config.training.run_dir names.

    Returns:
      Whether it is complete; False after Ctrl-C, with everything saved.

    Raises:
      InputError: settings, data or a run directory that do not fit each other.
    """
    check_training(config)
    training, network_config = config.training, config.network
    directory = Path(training.run_dir)
    source = open_source(
        config.data.dataset, network_config.image_shape, network_config.num_classes
    )
    keras.utils.set_random_seed(training.seed)
    strategy = choose_strategy()
    with strategy.scope():
        denoiser = build_denoiser(config)
        variables = named_variables(denoiser.network)
        rate = LinearWarmup(training.learning_rate, training.warmup)
        optimizer = Adam(variables, rate, training.beta_1, training.beta_2)
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        step = tf.Variable(0, dtype=tf.int64, trainable=False, aggregation=first)
    average = MovingAverage(
        variables, training.ema_decay, training.ema_every, training.ema_warmup
    )
    checkpoints = Checkpoints(
        directory / "checkpoints", variables, optimizer, average, step, training.keep
    )
    resumed = checkpoints.restore()
    remember(config)
    done = int(step)
    if resumed:
        print(f"resuming {directory} at step {done} of {training.iterations}")
    objective = Objective(
        denoiser.network,
        denoiser.schedule,
        config.diffusion.prediction,
        config.diffusion.weighting,
        training.label_dropout,
        (0, denoiser.schedule.timesteps - 1),
    )
    trainer = Trainer(
        strategy,
        objective,
        optimizer,
        average,
        step,
        training.batch_size,
        training.seed,
        training.clip_norm,
    )
    batches = training_batches(
        source, training.batch_size, training.seed, done, config.data.horizontal_flip
    )
    draw = grid_drawer(config, average)
    reports = Reports(
        directory, training.iterations, done, training.batch_size, rate, draw
    )
    complete = run(training, trainer, iter(batches), checkpoints, reports)
    if complete and training.export:
        export_run(directory)
    return complete


def remember(config: Config) -> None:
    """Writes the run's record, config.flags."""
    directory = Path(config.training.run_dir)
    directory.mkdir(parents=True, exist_ok=True)
    header = "The record of this run; resume it with\npython train.py --flagfile=" + str(
        directory / RECORD
    )
    write_atomically(directory / RECORD, flags.to_flagfile(config, header))


def recall(run_dir: str | Path) -> Config:
    """A run's settings, from its record.

    Raises:
      InputError: not a run directory.
    """
    record = Path(run_dir) / RECORD
    if not record.is_file():
        raise InputError(
            f"--run_dir={run_dir}: no {RECORD} there, so it is not the directory of a "
            "run; give the --run_dir that train.py was given"
        )
    (config,) = flags.parse(["", f"--flagfile={record}"], Config)
    return replace(config, training=replace(config.training, run_dir=str(run_dir)))


def restore(run_dir: str | Path) -> NetworkDenoiser:
    """The denoiser of a run, with its averaged weights.

    Raises:
      InputError: not a run directory, or nothing saved in it yet.
    """
    config = recall(run_dir)
    denoiser = build_denoiser(config)
    load_average(Path(run_dir) / "checkpoints", named_variables(denoiser.network))
    return denoiser


def export_run(run_dir: str | Path, export_dir: str | Path = "") -> Path:
    """Writes a run's SavedModel; returns its directory (RUN_DIR/export if not given).

    Raises:
      InputError: not a run directory, or nothing saved in it yet.
    """
    directory = Path(export_dir) if export_dir else Path(run_dir) / "export"
    record = flags.to_flagfile(recall(run_dir))
    export_saved_model(restore(run_dir), directory, record)
    return directory


def grid_drawer(config: Config, average: MovingAverage) -> Callable[[], np.ndarray]:
    """Draws the pictures of fixed seeds with the averaged weights of the moment."""
    sampling, classes = config.sampling, config.network.num_classes
    made: list[NetworkDenoiser] = []

    def draw() -> np.ndarray:
        if not made:
            made.append(build_denoiser(config))
            if classes:
                labels = tf.range(sampling.sample_images) % classes
                made.append(guided(made[0], labels, sampling.sample_guidance))
        for path, variable in named_variables(made[0].network).items():
            variable.assign(average.weights[path])
        x = sample(
            made[-1],
            DDPM(),
            made[0].schedule.grid(sampling.sample_steps),
            range(sampling.sample_images),
            config.network.image_shape,
        )
        return to_uint8(x).numpy()

    return draw
