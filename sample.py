"""The command pdm_tf.commands.sample, from a checkout: python sample.py --help."""

from pdm_tf import flags
from pdm_tf.commands.sample import main

if __name__ == "__main__":
    flags.run(main)
