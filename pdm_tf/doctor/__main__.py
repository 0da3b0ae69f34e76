"""Examines a training before it is begun, in minutes and in a folder of its own.

Takes the flags of train.py. Tries the data, the shapes, memory, one training step, a
short sample, saving and restoring, and says how long the whole run would take. Ends
with "ready", or with what to change and exit code 2. With --minutes it proposes a
flagfile for the data, this machine and so much time instead.

Example: python -m pdm_tf.doctor --flagfile=configs/mnist.flags
         python -m pdm_tf.doctor --dataset=folder:PATH --minutes=30 --out=mine.flags
"""

import sys

from pdm_tf import flags
from pdm_tf.config import Config, DoctorConfig
from pdm_tf.flags.running import format_error


def main(argv: list[str]) -> int:
    """Reads the flags and prints the findings as they come."""
    own, config = flags.parse(argv, DoctorConfig, Config, description=__doc__ or "")
    flags.check_output("run_dir", config.training.run_dir, "directory")
    print("loading TensorFlow …", file=sys.stderr, flush=True)
    if own.minutes:
        from pdm_tf.doctor.proposal import propose

        return propose(own, config, flags.given(argv[1:]))
    from pdm_tf.doctor.examination import examine
    from pdm_tf.doctor.showing import show

    if show(examine(config), format_error):
        return 2
    print(
        f"ready: python train.py with the same flags trains {config.training.run_dir}"
    )
    return 0


if __name__ == "__main__":
    flags.run(main)
