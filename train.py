"""Trains a patched diffusion model, or resumes: the same command again goes on.

Example: python train.py --flagfile=configs/mnist.flags --run_dir=runs/mnist
"""

from pdm_tf import flags
from pdm_tf.config import Config


def main(argv: list[str]) -> int:
    """Reads the flags and trains."""
    (config,) = flags.parse(argv, Config, description=__doc__ or "")
    from pdm_tf import assemble  # loads TensorFlow, which --help does not need

    complete = assemble.train(config)
    directory = config.training.run_dir
    if not complete:
        print(f"stopped and saved; the same command resumes {directory}")
        return 130
    print(f"done: {directory}/samples has pictures, {directory}/export a SavedModel")
    return 0


if __name__ == "__main__":
    flags.run(main)
