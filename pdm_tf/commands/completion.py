"""Prints what lets a shell complete commands, methods and flags of pdm-tf.

Example: eval "$(pdm-tf completion bash)"
"""

from pdm_tf import flags
from pdm_tf.config.completing import SHELLS
from pdm_tf.flags.completion import read_help, script_of, words_of


def main(argv: list[str]) -> None:
    """Reads the help of every command, and prints the script."""
    from pdm_tf import commands

    shell, _ = flags.parse_method(argv, SHELLS, description=__doc__ or "", kind="shell")

    def helps(name: str) -> str:
        return read_help(commands.main, ["pdm-tf", *name.split()])

    print(script_of(shell, words_of(helps, tuple(commands.commands()))), end="")
