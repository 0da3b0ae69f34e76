"""Makes every table of docs/ again: `python -m experiments`, or only those named.

A script with a table of its own has `main(argv)`, and in `ARGUMENTS` what it is run
with; `experiments.make_pretrained`, which has none, is run by hand.
"""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path


def scripts() -> list[str]:
    """Names of the scripts; the table of all systems, which others fill, comes last."""
    files = sorted(Path(__file__).parent.glob("[a-z]*.py"))
    names = [file.stem for file in files if "\nARGUMENTS" in file.read_text()]
    return sorted(names, key=lambda name: name == "systems")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the scripts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *scripts()], help="of scripts")
    for name in parser.parse_args(argv).names or scripts():
        print(f"experiments.{name}", flush=True)
        script = import_module(f"experiments.{name}")
        script.main(list(script.ARGUMENTS))


if __name__ == "__main__":
    main()
