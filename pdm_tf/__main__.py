"""python -m pdm_tf COMMAND, or pdm-tf COMMAND: everything by one name."""

from pdm_tf import flags
from pdm_tf.commands import main


def run() -> None:
    """What `pdm-tf` runs."""
    flags.run(main)


if __name__ == "__main__":
    run()
