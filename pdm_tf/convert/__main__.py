"""Makes a run of weights that another program trained, or gives ours to others.

Example: python -m pdm_tf.convert jit --checkpoint=checkpoint-last.pth --out=runs/jit
         python -m pdm_tf.convert safetensors --model=runs/mnist --out=mnist-weights
"""

from collections.abc import Callable
from typing import Any

from pdm_tf import flags
from pdm_tf.config.converting import KINDS


def main(argv: list[str]) -> int:
    """Reads the kind of weights and the flags, and converts them."""
    kind, (config,) = flags.parse_method(
        argv, KINDS, description=__doc__ or "", kind="kind of weights"
    )
    from pdm_tf.assemble import converting, giving_weights

    convert: dict[str, Callable[[Any], str]] = {
        "jit": converting.convert_jit,
        "patch_diffusion": converting.convert_patch_diffusion,
        "safetensors": giving_weights.write_safetensors,
        "keras": giving_weights.write_keras,
    }
    print(convert[kind](config))
    return 0


if __name__ == "__main__":
    flags.run(main)
