"""The outer loop: when to step, log, show, save and stop."""

from collections.abc import Iterator

import tensorflow as tf

from pdm_tf.config import TrainingConfig
from pdm_tf.training.checkpoints import Checkpoints
from pdm_tf.training.interruption import Interruption
from pdm_tf.training.loop import Metrics, Trainer, no_metrics
from pdm_tf.training.reports import Reports


def _until_next(step: int, config: TrainingConfig) -> int:
    """Steps to run in the next call: up to the nearest event, at most one call's."""
    ends = [config.steps_per_call, config.iterations - step]
    for every in (config.log_every, config.sample_every, config.save_every):
        if every:
            ends.append(every - step % every)
    return max(min(ends), 1)


def run(
    config: TrainingConfig,
    trainer: Trainer,
    batches: Iterator,
    checkpoints: Checkpoints,
    reports: Reports,
) -> bool:
    """Trains from the step at hand to the last one.

    Returns:
      Whether the training is complete; False after Ctrl-C or SIGTERM, with everything
      saved.
    """
    step, seen = int(trainer.step), no_metrics()
    with Interruption() as interruption:
        while step < config.iterations and not interruption.asked:
            steps = _until_next(step, config)
            metrics = trainer.run_steps(batches, tf.constant(steps))
            step += steps
            reports.advance(metrics)
            seen = Metrics(*(a + b for a, b in zip(seen, metrics, strict=True)))
            if step % config.log_every == 0 or step == config.iterations:
                reports.log(step, seen)
                seen = no_metrics()
            if step % config.save_every == 0 or step == config.iterations:
                checkpoints.save()
            if config.sample_every and step % config.sample_every == 0:
                reports.show_samples(step)
        if interruption.asked:
            checkpoints.save()
    reports.close()
    return step >= config.iterations
