"""Makes sampling cheaper, without training.

Example: python -m pdm_tf.acceleration deepcache --base=pretrained:mnist --out=DIR
"""

from pdm_tf import flags
from pdm_tf.assemble.method_command import run_method
from pdm_tf.config.acceleration import METHODS


def main(argv: list[str]) -> int:
    """Derives a model that samples with fewer operations, without training."""
    return run_method(argv, METHODS, __doc__ or "")


if __name__ == "__main__":
    flags.run(main)
