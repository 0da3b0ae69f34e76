"""The outer loop: when to step, log, show, save and stop."""

import sys
from collections.abc import Iterator, Sequence
from enum import Enum

import tensorflow as tf

from pdm_tf.config import TrainingConfig
from pdm_tf.training.checkpoints import Checkpoints, NotSaved
from pdm_tf.training.coordination import Coordination
from pdm_tf.training.events import Event
from pdm_tf.training.interruption import Interruption
from pdm_tf.training.metrics import added, no_metrics
from pdm_tf.training.reports import NullReporter, Reporter
from pdm_tf.training.train_step import Trainer
from pdm_tf.training.watchdog import Watchdog


class Ending(Enum):
    """How a training came to its end; true where it is complete."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"  # by Ctrl-C; everything is saved
    PREEMPTED = "preempted"  # by SIGTERM or SIGHUP; everything is saved
    WORKER_LOST = "worker lost"  # what was saved before is kept

    def __bool__(self) -> bool:
        return self is Ending.COMPLETE


def _until_next(
    step: int, config: TrainingConfig, events: Sequence[Event], first: bool
) -> int:
    """Steps to run in the next call: up to the nearest event, at most one call's."""
    ends = [config.steps_per_call, config.iterations - step]
    if first:  # the graph is made in this call: it shall not last longer than it must
        ends.append(1)
    cadences = [config.log_every, config.sample_every, config.save_every]
    for every in cadences + [event.every for event in events]:
        if every:
            ends.append(every - step % every)
    return max(min(ends), 1)


def run(
    config: TrainingConfig,
    trainer: Trainer,
    batches: Iterator,
    checkpoints: Checkpoints,
    reporter: Reporter | NullReporter,
    watchdog: Watchdog,
    coordination: Coordination,
    events: Sequence[Event] = (),
) -> Ending:
    """Trains from the step at hand to the last one.

    Every process of a training runs this; one of them has the checkpoints and reporter.

    Returns:
      How it ended. All is saved, unless it was stopped when the last steps had gone
      wrong: then nothing after the last good checkpoint is.

    Raises:
      NotSaved: the last checkpoint could not be written.
      Diverged: loss or weights were no use any more for too long, or at the end.
    """
    step, stopping = int(trainer.step.read_value()), False
    began, due, ended = step, False, False
    nothing = seen = no_metrics(trainer.objective)
    with Interruption() as interruption:
        while step < config.iterations and not stopping:
            steps = _until_next(step, config, events, step == began)
            metrics = trainer.run_steps(batches, tf.constant(steps))
            step += steps
            reporter.advance(metrics)
            if watchdog.look(step, metrics):
                raise watchdog.report(step)
            seen = added(seen, metrics)
            due = due or step % config.save_every == 0
            if due and step < config.iterations and watchdog.is_quiet():
                _try_to_save(checkpoints, watchdog.is_calm())
                due = False
            # What is shown of a step is of one that is saved, where it is time to save.
            if step % config.log_every == 0 and step < config.iterations:
                reporter.log(step, seen)
                seen = nothing
            at_grid = config.sample_every and step % config.sample_every == 0
            if at_grid and step < config.iterations:
                reporter.show_samples(step)
            if step < config.iterations:
                ended = _happen(events, step, coordination)
            stopping = coordination.any(interruption.requested) or ended
        complete = step >= config.iterations or ended
        if complete and not watchdog.is_sound():
            raise watchdog.report(step)
        if complete or watchdog.is_quiet():
            checkpoints.save(watchdog.is_calm())
        if complete and step > began:
            reporter.log(step, seen)
        if complete and config.sample_every:
            reporter.show_samples(step, again=step > began)
        if complete and step > began:
            for event in events:
                if step % event.every or step == config.iterations:
                    event.happen(step)
        coordination.wait()
    reporter.close()
    if complete:
        return Ending.COMPLETE
    preempted = coordination.any(interruption.preempted)
    return Ending.PREEMPTED if preempted else Ending.INTERRUPTED


def _happen(events: Sequence[Event], step: int, coordination: Coordination) -> bool:
    """Makes happen what is due; whether one of it ends the training."""
    due = [event for event in events if step % event.every == 0]
    ended = [event.happen(step) is True for event in due]
    return coordination.any(any(ended)) if due else False


def _try_to_save(checkpoints: Checkpoints, good: bool) -> None:
    """Saves in mid-training, where a full disk may have room again next time."""
    try:
        checkpoints.save(good)
    except NotSaved as error:
        print(f"\nwarning: {error}; training goes on meanwhile", file=sys.stderr)
