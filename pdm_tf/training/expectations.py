"""What somebody who waits for a training may expect, and when."""

from pathlib import Path

from pdm_tf.config import TrainingConfig

# Pictures that a network has learnt from when its grids show what they are of: so it
# was with photographs of 64 pixels and the default network, see docs/training.md.
SHOWN = 60_000


def in_words(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    if seconds < 200_000:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"


def foretell(training: TrainingConfig, step: int, seconds: float) -> str:
    """A line on when there will be something to see, and when all is done.

    Args:
      training: how it is trained.
      step: steps finished.
      seconds: that a step takes.
    """
    left = training.iterations - step
    said = [f"a step takes {seconds:.2g} s"]
    every, folder = training.sample_every, Path(training.run_dir) / "samples"
    if every and left > every:
        wait = in_words((every - step % every) * seconds)
        said.append(f"{folder} gets a grid of samples every {every:,} steps, in {wait}")
    shown = SHOWN // training.batch_size
    if every and step < shown < training.iterations:
        wait = in_words((shown - step) * seconds)
        said.append(
            "the first are blurs, things are to be recognised from about step "
            f"{shown:,} on, in {wait}"
        )
    said.append(
        f"all {training.iterations:,} steps are done in {in_words(left * seconds)}"
    )
    said.append("Ctrl-C saves, and the same command goes on")
    return "; ".join(said)
