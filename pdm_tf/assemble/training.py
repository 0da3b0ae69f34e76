"""Settings -> a training that runs: trained, resumed, reported, exported."""

import contextlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

import numpy as np
import tensorflow as tf

from pdm_tf.assemble.building import build_objective, plain_augmentation
from pdm_tf.assemble.class_names import read_class_names
from pdm_tf.assemble.error_messages import explained, writing
from pdm_tf.assemble.events import build_events, describe_training
from pdm_tf.assemble.exporting import check_own
from pdm_tf.assemble.finishing import finish_run
from pdm_tf.assemble.measuring import Shown
from pdm_tf.assemble.resuming import check_record
from pdm_tf.assemble.runs import write_settings
from pdm_tf.assemble.settings import check_settings, t_range
from pdm_tf.assemble.state import (
    Progress,
    build_learner,
    build_progress,
    build_state,
    build_trainer,
)
from pdm_tf.config import Config
from pdm_tf.config.conditioning import conditions_of
from pdm_tf.data.classes import relabelled
from pdm_tf.data.identity import identify
from pdm_tf.data.pipeline import training_batches
from pdm_tf.data.sources import Source, open_source
from pdm_tf.data.stoppable_reader import failure
from pdm_tf.denoisers.denoiser import Denoiser
from pdm_tf.denoisers.objective import Objective
from pdm_tf.errors import printable
from pdm_tf.serving.denoiser_generator import DenoiserGenerator
from pdm_tf.serving.generator import labels_in_turn
from pdm_tf.training.batch_sharding import check_batch_sharding, distributed
from pdm_tf.training.coordination import Coordination, is_chief
from pdm_tf.training.distribution import choose_strategy
from pdm_tf.training.ema import MovingAverage, start_left
from pdm_tf.training.events import watched
from pdm_tf.training.lock import locked
from pdm_tf.training.report_writers import open_reports
from pdm_tf.training.reports import NullReporter, Reporter
from pdm_tf.training.restarting import refuse_restart
from pdm_tf.training.settings import check_training
from pdm_tf.training.train_loop import Ending, run
from pdm_tf.training.watchdog import Watchdog

__all__ = [
    "build_state",
    "build_trainer",
    "check_settings",
    "grid_drawer",
    "open_pictures",
    "t_range",
    "train",
    "train_objective",
]


def train(config: Config) -> Ending:
    """Trains or resumes the run that config.training.run_dir names.

    Returns:
      How it ended: true if complete, false after Ctrl-C or SIGTERM, with everything
      saved.

    Raises:
      InputError: settings, data or a run directory that do not fit each other.
    """
    return _explained(config, lambda: _train_run(config))


def train_objective(
    objective: Objective,
    config: Config,
    source: Source,
    denoise: Denoiser,
    *,
    strategy: tf.distribute.Strategy | None = None,
    unlearnt: Mapping[str, tf.Variable] | None = None,
    begin: Callable[[], object] | None = None,
    finish: Callable[[], object] | None = None,
) -> Ending:
    """Trains the variables of an objective, or resumes: the same call goes on.

    Checkpoints lie in RUN_DIR/checkpoints and hold the objective's variables, their
    slots and averages, and nothing else of the denoiser. Once complete the averages
    can be read with `training.averages.load_average`.

    Args:
      objective: what is minimised; its variables are as they are to begin with.
      config: how: config.training, the precision of config.network, config.sampling
        for the grids of samples, config.data.horizontal_flip, and what
        config.augmenting has of plain augmentation.
      source: pictures that are trained on.
      denoise: draws the grids of samples; reads the objective's variables.
      strategy: where the objective's variables live; one device if not given.
      unlearnt: variables that do not learn and are saved all the same, by name.
      begin: called once it is known that the directory fits, before the first step.
      finish: called after the last step, with everything saved and the averages in
        the place of the objective's variables.

    Returns:
      How it ended: true if complete, false after Ctrl-C or SIGTERM, with everything
      saved.

    Raises:
      InputError: settings, data or a run directory that do not fit each other.
    """
    check_training(config.training)
    strategy = strategy or tf.distribute.get_strategy()
    chief, coordination = is_chief(strategy), Coordination(strategy)
    directory = Path(config.training.run_dir)

    def body() -> Ending:
        state = build_progress(objective, config, strategy, identify(source), unlearnt)
        with locked(directory) if chief else contextlib.nullcontext():
            ending = _train(
                config, strategy, coordination, source, state, denoise, begin
            )
            if ending and finish and chief:
                with state.average.applied():
                    finish()
            coordination.wait()  # who left early would count as lost
            return ending

    return _explained(config, body)


def open_pictures(config: Config, class_names: tuple[str, ...] = ()) -> Source:
    """The pictures that a run trains on.

    Args:
      config: settings of the run.
      class_names: of the run, in the order of its labels, where it has begun.

    Raises:
      InputError: no such source, no pictures, or other classes.
    """
    source = open_source(
        config.data.dataset,
        config.network.image_shape,
        config.network.num_classes,
        data_dir=config.data.data_dir,
        download=config.data.download,
        conditions=conditions_of(config.network),
    )
    return relabelled(source, class_names)  # of before folders were put in order


def _explained(config: Config, body: Callable[[], Ending]) -> Ending:
    """Runs a training; what the machine refuses is said in words."""
    with explained(config.training.run_dir):
        try:
            return body()
        except tf.errors.OpError as error:
            if of_input := failure():
                raise of_input from None
            if config.training.strategy != "multi_worker":
                raise
            _tell(f"\nlost: {' '.join(str(error).split())}")
            return Ending.WORKER_LOST


def _train_run(config: Config) -> Ending:
    training = config.training
    # Several processes know each other before anything else of TensorFlow runs.
    strategy = choose_strategy(training.strategy, training.devices, training.tpu)
    check_settings(config)
    changes = check_record(config)
    if changes:
        _tell(f"changed: {', '.join(changes)}")
    replicas = strategy.num_replicas_in_sync
    check_batch_sharding(replicas, training.batch_size, training.microbatch)
    if training.export:
        check_own(training.run_dir)
    _tell(f"opening {config.data.dataset} …")
    known = read_class_names(training.run_dir, config)
    source = open_pictures(config, known)
    _tell(f"{len(source):,} pictures; building the network …")
    denoiser = build_learner(config, strategy)

    def record() -> None:
        with writing(training.run_dir, "config.flags"):
            write_settings(config)

    with strategy.scope():
        objective = build_objective(config, denoiser)
    ending = train_objective(
        objective,
        config,
        source,
        denoiser,
        strategy=strategy,
        begin=record,
        finish=lambda: finish_run(config, denoiser, source.class_names),
    )
    if skipped := source.skipped:
        first = printable(skipped[0])
        _tell(f"pictures that could not be read: {len(skipped):,} (the first: {first})")
    return ending


def _train(
    config: Config,
    strategy: tf.distribute.Strategy,
    coordination: Coordination,
    source: Source,
    state: Progress,
    denoise: Denoiser,
    begin: Callable[[], object] | None,
) -> Ending:
    training, directory = config.training, Path(config.training.run_dir)
    chief = is_chief(strategy)
    resumed = state.checkpoints.restore()
    done = int(state.step.read_value())
    coordination.check_step(done, training.run_dir)
    if not resumed:
        refuse_restart(directory, training.save_every)
    if resumed and chief:
        _tell(
            f"resuming {directory} at step {done} of {training.iterations}", sys.stdout
        )
    if begin and chief:
        begin()
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
            plain_augmentation(config),
        ),
    )
    reporter: Reporter | NullReporter = NullReporter()
    names = config.monitoring.reports if chief else ()
    reports = open_reports(names, directory)
    if chief:
        left = start_left(training, training.iterations)
        if left > 0.05:
            _tell(
                f"warning: the averaged weights will be {left:.0%} the random start at "
                "the end, and their pictures grey; the average is updated too seldom"
            )
        _tell("the first step makes its graph, which may take a minute …")
        draw = grid_drawer(config, denoise, state.average)
        reporter = Reporter(training, done, state.rate, draw, reports)
        for name, text in describe_training(config).items():
            reports.text(done, name, text)
    variables = state.objective.variables
    watchdog = Watchdog(training.watch_steps, variables, state.checkpoints)
    return run(
        training,
        trainer,
        batches,
        state.checkpoints,
        reporter,
        watchdog,
        coordination,
        watched(
            build_events(
                config, state, Shown(denoise, state.average, source, reports.scalars)
            ),
            chief,
        ),
    )


def _tell(line: str, stream: TextIO | None = None) -> None:
    """Says what goes on; whether anybody reads it is no matter of a training."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=stream or sys.stderr, flush=True)


def grid_drawer(
    config: Config, denoise: Denoiser, average: MovingAverage
) -> Callable[[], np.ndarray]:
    """Draws the pictures of fixed seeds with the averaged weights of the moment."""
    sampling = config.sampling
    seeds = np.arange(sampling.sample_images)
    steps, sampler = sampling.sample_steps, sampling.sample_sampler
    request = steps, sampling.sample_guidance, sampler
    generator = DenoiserGenerator(denoise, sampling)
    labels = labels_in_turn(generator, seeds)

    def draw() -> np.ndarray:
        with average.applied():
            return generator.generate(seeds, labels, *request)

    return draw
