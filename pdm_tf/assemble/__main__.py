"""python -m pdm_tf.assemble split: the command split, by the room that it is of."""

from pdm_tf import flags
from pdm_tf.commands import split
from pdm_tf.errors import InputError


def main(argv: list[str]) -> None:
    """Hands the words after `split` on."""
    if argv[1:2] != ["split"]:
        raise InputError("the one command here is: python -m pdm_tf.assemble split")
    split.main([f"{argv[0]} split", *argv[2:]])


if __name__ == "__main__":
    flags.run(main)
