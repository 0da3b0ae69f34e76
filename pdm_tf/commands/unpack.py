"""Makes a model of a file that pdm-tf pack wrote, once every checksum is right.

Example: pdm-tf unpack --archive=mine.zip --out=models/mine
"""

from pdm_tf import flags
from pdm_tf.config.packing import UnpackConfig
from pdm_tf.progress import say


def main(argv: list[str]) -> None:
    """Checks the file, and writes the directory."""
    (config,) = flags.parse(argv, UnpackConfig, description=__doc__ or "")
    say("loading TensorFlow …")
    from pdm_tf.assemble.packing import unpack_model

    print(f"done: {unpack_model(config)} is used like the directory of a run")
