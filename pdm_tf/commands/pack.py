"""Packs a model into one file that can be passed on, with a card and checksums.

Example: pdm-tf pack --model=runs/mine --out=mine.zip --licence="CC BY 4.0"
"""

from pdm_tf import flags
from pdm_tf.config.packing import PackConfig
from pdm_tf.progress import say


def main(argv: list[str]) -> None:
    """Gathers what a model needs, and writes the file."""
    (config,) = flags.parse(argv, PackConfig, description=__doc__ or "")
    say("loading TensorFlow …")
    from pdm_tf.assemble.packing import pack_model

    print(f"done: {pack_model(config)}; pdm-tf unpack makes a model of it again")
