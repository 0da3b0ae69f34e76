"""Trains a patched diffusion model, or resumes: the same command again goes on.

Example: pdm-tf train --flagfile=configs/mnist.flags --run_dir=runs/mnist
In a checkout, python train.py is the same.
"""

import contextlib
import os
import sys

from pdm_tf import flags
from pdm_tf.config import Config
from pdm_tf.flags.running import format_error


def main(argv: list[str]) -> int:
    """Reads the flags and trains."""
    (config,) = flags.parse(argv, Config, description=__doc__ or "")
    flags.check_output("run_dir", config.training.run_dir, "directory")
    _say(f"{config.training.run_dir}: loading TensorFlow …", sys.stderr)
    from pdm_tf.assemble.resuming import kept_settings

    config, kept = kept_settings(config, flags.given(argv[1:]))
    if kept:
        _say(f"as in the run's record: {', '.join(kept)}", sys.stderr)
    if config.training.dry_run:
        from pdm_tf.doctor.plan import dry_run
        from pdm_tf.doctor.showing import show

        advice = show(dry_run(config), format_error)
        if not advice:
            print("ready to train; leave --dry_run out to begin")
        return 2 if advice else 0
    from pdm_tf import assemble  # loads TensorFlow, which --help does not need
    from pdm_tf.assemble.endings import describe_ending
    from pdm_tf.training.train_loop import Ending

    ending = assemble.train(config)
    lines, code = describe_ending(ending, config, argv[0])
    for line in lines:
        _say(line)
    if ending is Ending.WORKER_LOST:
        os._exit(code)  # what waits for the lost worker would never end
    return code


def _say(line: str, stream: object = None) -> None:
    """Prints; whether anybody reads is no matter of a training."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=stream or sys.stdout, flush=True)  # type: ignore[arg-type]
