"""Trains a patched diffusion model, or resumes: the same command again goes on.

Example: pdm-tf train --flagfile=configs/mnist.flags --run_dir=runs/mnist
In a checkout, python train.py is the same.
"""

import contextlib
import os
import sys
from pathlib import Path

from pdm_tf import flags
from pdm_tf.config import Config
from pdm_tf.flags.running import format_error


def main(argv: list[str]) -> int:
    """Reads the flags and trains."""
    (config,) = flags.parse(argv, Config, description=__doc__ or "")
    _say(f"{config.training.run_dir}: loading TensorFlow …", sys.stderr)
    if config.training.dry_run:
        return _dry_run(config)
    from pdm_tf import assemble  # loads TensorFlow, which --help does not need
    from pdm_tf.training.train_loop import Ending

    ending = assemble.train(config)
    directory = config.training.run_dir
    if ending is Ending.WORKER_LOST:
        _say("another worker was lost; start the same commands again:")
        _say(f"they go on from the last checkpoint in {directory}")
        os._exit(75)  # what waits for the lost worker would never end
    if not ending:
        again = "python train.py" if argv[0].endswith(".py") else argv[0]
        _say(f"stopped; {_saved(directory)}; the same command resumes {directory}")
        _say(f"or: {again} --flagfile={directory}/config.flags")
        return 0 if ending is Ending.PREEMPTED else 130
    _say(f"done: {_made(config)}")
    return 0


def _dry_run(config: Config) -> int:
    """Says what would be trained as it becomes known; 2 where something is wrong."""
    from pdm_tf.doctor.plan import dry_run

    advice = []
    for finding in dry_run(config):
        print(f"{finding.name:<16} {finding.text}", flush=True)
        if finding.advice:
            advice.append(finding.advice)
    for error in advice:
        print(f"change: {format_error(error)}")
    if advice:
        return 2
    print("ready to train; leave --dry_run out to begin")
    return 0


def _saved(directory: str) -> str:
    """Which step a run that was stopped is saved at."""
    from pdm_tf.training.checkpoint_files import numbers

    steps = numbers(Path(directory) / "checkpoints")
    return f"step {steps[0]} is saved" if steps else "nothing is saved yet"


def _made(config: Config) -> str:
    """What a complete training has left, of its last step and no other."""
    training, directory = config.training, Path(config.training.run_dir)
    made = [f"step {training.iterations:,} is in {directory}/checkpoints"]
    grid = directory / "samples" / f"step_{training.iterations:06d}.png"
    if grid.is_file():
        made.append(f"its pictures are in {grid}")
    export = directory / "export"
    if training.export and export.is_dir():
        made.append(f"its SavedModel is in {export}")
    elif export.is_dir():
        made.append(f"{export} is older, and was not written anew")
    return ", ".join(made)


def _say(line: str, stream: object = None) -> None:
    """Prints; whether anybody reads is no matter of a training."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=stream or sys.stdout, flush=True)  # type: ignore[arg-type]
