"""Makes a run of weights that another program trained.

Example: python -m pdm_tf.convert jit --checkpoint=checkpoint-last.pth --out=runs/jit
"""

from pdm_tf import flags
from pdm_tf.config.converting import KINDS


def main(argv: list[str]) -> int:
    """Reads the kind of checkpoint and the flags, and converts it."""
    _, (config,) = flags.parse_method(
        argv, KINDS, description=__doc__ or "", kind="checkpoint"
    )
    from pdm_tf.assemble.converting import convert_jit

    print(convert_jit(config))
    return 0


if __name__ == "__main__":
    flags.run(main)
