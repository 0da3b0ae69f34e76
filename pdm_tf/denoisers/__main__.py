"""python -m pdm_tf.denoisers: the command split, by the name that it had before."""

from pdm_tf import flags
from pdm_tf.commands.split import main

if __name__ == "__main__":
    flags.run(main)
