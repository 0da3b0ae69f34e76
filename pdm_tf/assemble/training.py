"""Settings -> a training that runs: trained, resumed, reported, exported."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from pdm_tf.assemble.building import build_denoiser, named_variables
from pdm_tf.assemble.error_messages import explained, writing
from pdm_tf.assemble.runs import export_run, write_settings
from pdm_tf.assemble.settings import check_settings, t_range
from pdm_tf.assemble.state import State, build_state, build_trainer
from pdm_tf.config import Config
from pdm_tf.data.identity import identify
from pdm_tf.data.images import to_uint8
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.sources import Source, open_source
from pdm_tf.denoisers.guidance import for_sampling
from pdm_tf.samplers import DDPM, sample
from pdm_tf.training.batch_sharding import check_batch_sharding, distributed
from pdm_tf.training.coordination import Coordination, is_chief
from pdm_tf.training.distribution import choose_strategy
from pdm_tf.training.ema import MovingAverage
from pdm_tf.training.lock import locked
from pdm_tf.training.reports import NullReporter, Reports
from pdm_tf.training.train_loop import Ending, run
from pdm_tf.training.watchdog import Watchdog

__all__ = [
    "build_state",
    "build_trainer",
    "check_settings",
    "grid_drawer",
    "t_range",
    "train",
]


def train(config: Config) -> Ending:
    """Trains or resumes the run that config.training.run_dir names.

    Returns:
      How it ended: true if complete, false after Ctrl-C or SIGTERM, with everything
      saved.

    Raises:
      InputError: settings, data or a run directory that do not fit each other.
    """
    with explained(config.training.run_dir):
        try:
            return _prepare_and_train(config)
        except tf.errors.OpError as error:
            if config.training.strategy != "multi_worker":
                raise
            print(f"\nlost: {' '.join(str(error).split())[:300]}", file=sys.stderr)
            return Ending.WORKER_LOST


def _prepare_and_train(config: Config) -> Ending:
    training, network = config.training, config.network
    # Several processes know each other before anything else of TensorFlow runs.
    strategy = choose_strategy(training.strategy, training.devices, training.tpu)
    check_settings(config)
    replicas = strategy.num_replicas_in_sync
    check_batch_sharding(replicas, training.batch_size, training.microbatch)
    source = open_source(
        config.data.dataset,
        network.image_shape,
        network.num_classes,
        data_dir=config.data.data_dir,
        download=config.data.download,
    )
    state = build_state(config, strategy, identify(source))
    chief = is_chief(strategy)
    with locked(Path(training.run_dir)) if chief else contextlib.nullcontext():
        return _train(config, strategy, source, state)


def _train(
    config: Config, strategy: tf.distribute.Strategy, source: Source, state: State
) -> Ending:
    training, directory = config.training, Path(config.training.run_dir)
    chief, coordination = is_chief(strategy), Coordination(strategy)
    resumed = state.checkpoints.restore()
    done = int(state.step.read_value())
    coordination.check_step(done, training.run_dir)
    if resumed and chief:
        print(f"resuming {directory} at step {done} of {training.iterations}")
    if chief:
        with writing(training.run_dir, "config.flags"):
            write_settings(config)
    trainer = build_trainer(config, strategy, state)
    batches = distributed(
        strategy,
        lambda shard: training_batches(
            source,
            training.batch_size,
            training.seed,
            done,
            config.data.horizontal_flip,
            shard,
        ),
    )
    reports: Reports | NullReporter = NullReporter()
    if chief:
        draw = grid_drawer(config, state.average)
        reports = Reports(
            directory, training.iterations, done, training.batch_size, state.rate, draw
        )
    variables = named_variables(state.denoiser.network)
    watchdog = Watchdog(training.watch_steps, variables, state.checkpoints)
    ending = run(
        training, trainer, batches, state.checkpoints, reports, watchdog, coordination
    )
    if ending and training.export and chief:
        with writing(training.run_dir, "export"):
            export_run(directory)
    coordination.wait()  # a worker that left early would count as lost
    return ending


def grid_drawer(config: Config, average: MovingAverage) -> Callable[[], np.ndarray]:
    """Draws the pictures of fixed seeds with the averaged weights of the moment."""
    sampling, classes = config.sampling, config.network.num_classes
    made: list = []

    def draw() -> np.ndarray:
        if not made:
            made.append(build_denoiser(config))
            labels = tf.range(sampling.sample_images) % max(classes, 1)
            weight = sampling.sample_guidance
            made.append(for_sampling(made[0], labels, weight, sampling))
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
