"""Stores weights and computes activations in few bits.

Example: python -m pdm_tf.quantization min_max --base=pretrained:mnist --out=DIR
"""

from pdm_tf import flags
from pdm_tf.assemble.method_command import run_method
from pdm_tf.config.quantization import METHODS


def main(argv: list[str]) -> int:
    """Derives a model of few bits; goes on with one that was stopped."""
    return run_method(argv, METHODS, __doc__ or "")


if __name__ == "__main__":
    flags.run(main)
