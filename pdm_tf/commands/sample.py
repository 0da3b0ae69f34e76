"""Draws pictures from an export; a stopped command goes on when repeated.

Example: pdm-tf sample --savedmodel=runs/mnist/export --num_images=64 --seed=0
In a checkout, python sample.py is the same.
"""

from pdm_tf import flags
from pdm_tf.config import InputError, SampleConfig


def main(argv: list[str]) -> None:
    """Reads the flags and draws."""
    (config,) = flags.parse(argv, SampleConfig, description=__doc__ or "")
    if not config.savedmodel and not config.litert:
        raise InputError("--savedmodel is missing: name the export/ directory of a run")
    if config.savedmodel and config.litert:
        raise InputError("--savedmodel and --litert are both given: choose one")
    from pdm_tf.export.client import write_samples  # loads TensorFlow

    print(f"pictures and grid.png in {write_samples(config)}")
