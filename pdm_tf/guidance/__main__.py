"""Guides a model in another way: by a worse one, projected, rescaled, to the rare.

Example: python -m pdm_tf.guidance autoguidance --base=runs/a --guide=runs/b --out=DIR
"""

from pdm_tf import flags
from pdm_tf.assemble.method_command import run_method
from pdm_tf.config.guidance import METHODS


def main(argv: list[str]) -> int:
    """Derives a model that is guided as the method says."""
    return run_method(argv, METHODS, __doc__ or "")


if __name__ == "__main__":
    flags.run(main)
