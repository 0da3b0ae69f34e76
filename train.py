"""The command pdm_tf.commands.train, from a checkout: python train.py --help."""

from pdm_tf import flags
from pdm_tf.commands.train import main

if __name__ == "__main__":
    flags.run(main)
