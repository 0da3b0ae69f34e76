"""What there is to say at the end of a training: how it ended, and what it has left."""

from pathlib import Path

from pdm_tf.config import Config
from pdm_tf.training.checkpoint_files import numbers
from pdm_tf.training.train_loop import Ending

_CODES = {
    Ending.COMPLETE: 0,
    Ending.PREEMPTED: 0,
    Ending.INTERRUPTED: 130,
    Ending.WORKER_LOST: 75,
}


def describe_ending(
    ending: Ending, config: Config, command: str
) -> tuple[list[str], int]:
    """Lines for the end of a training, and its exit code.

    Args:
      ending: how it ended.
      config: its settings.
      command: what it was started with.
    """
    directory = config.training.run_dir
    if ending is Ending.COMPLETE:
        lines = [f"done: {_made(config)}"]
    elif ending is Ending.WORKER_LOST:
        lines = [
            "another worker was lost; start the same commands again:",
            f"they go on from the last checkpoint in {directory}",
        ]
    else:
        again = "python train.py" if command.endswith(".py") else command
        record = Path(directory) / "config.flags"
        lines = [
            f"stopped; {_saved(directory)}; the same command resumes {directory}",
            f"or: {again} " + f"--flagfile={record}",
        ]
    return lines, _CODES[ending]


def _saved(directory: str) -> str:
    """Which step a run that was stopped is saved at."""
    steps = numbers(Path(directory) / "checkpoints")
    return f"step {steps[0]:,} is saved" if steps else "nothing is saved yet"


def _made(config: Config) -> str:
    """What a complete training has left, of its last step and no other."""
    training, directory = config.training, Path(config.training.run_dir)
    made = [f"{_saved(training.run_dir)} in {directory}/checkpoints"]
    grid = directory / "samples" / f"step_{training.iterations:06d}.png"
    if grid.is_file():
        made.append(f"its pictures are in {grid}")
    export = directory / "export"
    if training.export and export.is_dir():
        made.append(f"its SavedModel is in {export}")
    elif export.is_dir():
        made.append(f"{export} is older and was not written anew")
    return ", ".join(made)
