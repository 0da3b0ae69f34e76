"""The commands of `pdm-tf`: the files here, and every room with a `__main__`.

A command is a module with `main(argv)`; the first line of its docstring is its line in
the list, which is read without an import, so that it comes at once.
"""

import ast
import difflib
import importlib
from pathlib import Path

from pdm_tf.errors import InputError
from pdm_tf.version import __version__

# Rooms whose command has a name of its own.
_FORMERLY = {"denoisers": "split", "assemble": "split"}
_PACKAGE = Path(__file__).resolve().parents[1]


def commands() -> dict[str, Path]:
    """Name -> file of every command: train and sample, then the others by name."""
    own = {file.stem: file for file in Path(__file__).parent.glob("[a-z]*.py")}
    rooms = {file.parent.name: file for file in _PACKAGE.glob("[a-z]*/__main__.py")}
    first = {name: own.pop(name) for name in ("train", "sample")}
    others = {name: file for name, file in rooms.items() if name not in _FORMERLY}
    return {**first, **dict(sorted({**own, **others}.items()))}


def main(argv: list[str]) -> int | None:
    """Runs the command that the first word names; without one lists them all."""
    found, words = commands(), argv[1:]
    program = Path(argv[0]).name
    if program == "__main__.py":
        program = "python -m pdm_tf"
    if not words or words[0] in ("help", "--help", "-h"):
        print(_listing(found))
        return 0
    name, *rest = words
    name = _FORMERLY.get(room := name, name)
    if name != room and rest[:1] == [name]:  # pdm-tf assemble split
        rest = rest[1:]
    if name == "--version":
        print(__version__)
        return 0
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]}?" if near else "pdm-tf alone lists them all"
        raise InputError(f"{name!r}: no such command; {hint}")
    parts = found[name].relative_to(_PACKAGE.parent).with_suffix("").parts
    return importlib.import_module(".".join(parts)).main([f"{program} {name}", *rest])


def _listing(found: dict[str, Path]) -> str:
    width = max(map(len, found))
    lines = [f"  {name:<{width}}  {_summary(file)}" for name, file in found.items()]
    return "\n".join(
        [
            "pdm-tf COMMAND: patched diffusion models.",
            "",
            *lines,
            "",
            "pdm-tf COMMAND --help explains one.",
        ]
    )


def _summary(file: Path) -> str:
    """The first line of a file's docstring, without what it says of its own call."""
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    line = text.partition("\n")[0]
    before, colon, after = line.partition(": ")
    if colon and before.startswith("python -m"):
        line = after[:1].upper() + after[1:]
    return line
