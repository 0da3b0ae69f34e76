"""Commands whose first word is a method: shared flags, and each method's own.

A method's own flags are a dataclass in `pdm_tf.config`, so that `--help` needs no
TensorFlow.
"""

import dataclasses
import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from pdm_tf.errors import InputError
from pdm_tf.flags.flagfiles import expand
from pdm_tf.flags.parsing import HELP, UnknownFlagError, parse
from pdm_tf.flags.writing import first_line, format_help, settings_in

# What a method's own flags are read into: a dataclass, several, or the path of a module
# that has one named Config and loads without TensorFlow.
Own = type | tuple[type, ...] | str


def parse_method(
    argv: Sequence[str],
    methods: Mapping[str, Own],
    *classes: type,
    description: str = "",
    kind: str = "method",
    formerly: Mapping[str, str] | None = None,
    default: str = "",
) -> tuple[str, list[Any]]:
    """Reads a command line whose first word is a method; `--help` prints and exits.

    Args:
      argv: the program's name, the method, and flags: the shared ones and its own.
      methods: name -> what its own flags are read into.
      *classes: what the shared flags are read into.
      description: first words of the help.
      kind: what messages call the first word.
      formerly: flag -> the method that it chose before there was a first word.
      default: the method of a command line without first word or such a flag; empty:
        there is none, and that is an error.

    Returns:
      The method's name; and an object for each shared class, then for the method's own.

    Raises:
      InputError: no such method, and all that `parse` refuses.
    """
    if set(argv[1:2]) & HELP:
        print(format_help(classes, f"{description}\n{_listing(methods, kind)}"))
        raise SystemExit(0)
    name, rest = _chosen(argv, methods, kind, formerly or {}, default)
    own = _classes(methods[name])
    if set(rest) & HELP:
        heading = f"{description}\nThe {kind} {name}."
        print(format_help([*own, *classes], heading))
        raise SystemExit(0)
    try:
        return name, parse(rest, *classes, *own)
    except UnknownFlagError as error:
        owners = [m for m in methods if error.flag in _flags_of(methods[m])]
        if not owners:
            raise
        raise InputError(
            f"--{error.flag}: a flag of {', '.join(owners)} and not of {name}; "
            "leave it out"
        ) from None


def _classes(own: Own) -> tuple[type, ...]:
    if isinstance(own, str):
        return (importlib.import_module(own).Config,)
    return own if isinstance(own, tuple) else (own,)


def _flags_of(own: Own) -> set[str]:
    classes = [member for cls in _classes(own) for member in settings_in(cls)]
    fields = [field for cls in classes for field in dataclasses.fields(cls)]
    return {n for f in fields for n in (f.name, *f.metadata.get("aliases", ()))}


def _listing(methods: Mapping[str, Own], kind: str) -> str:
    """The methods with a line each."""
    width = max(map(len, methods), default=0)
    lines = [f"The first word is the {kind}; with --help behind it, its flags:", ""]
    for name, own in methods.items():
        lines.append(f"  {name:<{width}}  {first_line(_classes(own)[0])}")
    return "\n".join(lines)


def _chosen(
    argv: Sequence[str],
    methods: Mapping[str, Own],
    kind: str,
    formerly: Mapping[str, str],
    default: str,
) -> tuple[str, list[str]]:
    """The method, and the command line without it."""
    program, first = argv[0], argv[1] if len(argv) > 1 else ""
    if first in methods:
        return first, [program, *argv[2:]]
    choices = f"choose from {', '.join(methods)}"
    if first and not first.startswith("-"):
        near = difflib.get_close_matches(first, methods, n=1)
        hint = f"did you mean {near[0]}? Or {choices}" if near else choices
        raise InputError(f"{kind} {first!r}: {hint}")
    words = expand(argv[1:])
    for flag, name in formerly.items():
        given = {flag, f"{flag}=true"}
        if given & set(words):
            return name, [program, *(word for word in words if word not in given)]
    if not default:
        raise InputError(f"the {kind} is missing: {choices}")
    return default, list(argv)
