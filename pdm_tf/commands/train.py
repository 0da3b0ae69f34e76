"""Trains a patched diffusion model, or resumes: the same command again goes on.

Example: pdm-tf train --flagfile=configs/mnist.flags --run_dir=runs/mnist
In a checkout, python train.py is the same.
"""

import os

from pdm_tf import flags
from pdm_tf.config import Config


def main(argv: list[str]) -> int:
    """Reads the flags and trains."""
    (config,) = flags.parse(argv, Config, description=__doc__ or "")
    if config.training.dry_run:
        from pdm_tf.doctor.plan import dry_run

        print("\n".join(dry_run(config)))
        return 0
    from pdm_tf import assemble  # loads TensorFlow, which --help does not need
    from pdm_tf.training.train_loop import Ending

    ending = assemble.train(config)
    directory = config.training.run_dir
    if ending is Ending.WORKER_LOST:
        print("another worker was lost; start the same commands again:")
        print(f"they go on from the last checkpoint in {directory}", flush=True)
        os._exit(75)  # what waits for the lost worker would never end
    if not ending:
        print(f"stopped and saved; the same command resumes {directory}")
        again = "python train.py" if argv[0].endswith(".py") else argv[0]
        print(f"or: {again} --flagfile={directory}/config.flags")
        return 0 if ending is Ending.PREEMPTED else 130
    print(f"done: {directory}/samples has pictures, {directory}/export a SavedModel")
    return 0
