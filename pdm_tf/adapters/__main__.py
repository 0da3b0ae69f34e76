"""Puts adapters that were trained on one model onto another of the same shape.

Example: python -m pdm_tf.adapters add --base=MODEL --adapter=DIR --out=DIR
"""

from pdm_tf import flags
from pdm_tf.assemble.method_command import run_method
from pdm_tf.config.adapters import METHODS


def main(argv: list[str]) -> int:
    """Derives a model with other models' adapters."""
    return run_method(argv, METHODS, __doc__ or "")


if __name__ == "__main__":
    flags.run(main)
