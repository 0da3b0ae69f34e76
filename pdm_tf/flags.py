"""Dataclasses of `pdm_tf.config` <-> command-line flags <-> flagfiles.

The only importer of absl.flags. A field `width: int = option(64, "…")` is the flag
`--width`. In a flagfile each line is one `--name=value`; lines that begin with # are
comments; what comes later wins, so overrides follow `--flagfile`.
"""

import dataclasses
import difflib
import os
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from pdm_tf.config import Config
from pdm_tf.errors import InputError, SettingError, as_text

_REMEDIES: dict[Any, str] = {
    bool: "give true or false",
    int: "give a whole number",
    float: "give a number",
}


def _kind(annotation: Any) -> Any:
    """The type that a flag parses to; a union counts as its first member."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)[0]
    return annotation


def _define(cls: type, values: flags.FlagValues) -> None:
    kinds = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        name, default, text = field.name, field.default, field.metadata["help"]
        kind = _kind(kinds[name])
        if kind is bool:
            flags.DEFINE_boolean(name, default, text, values)
        elif kind is int:
            flags.DEFINE_integer(name, default, text, flag_values=values)
        elif kind is float:
            flags.DEFINE_float(name, default, text, flag_values=values)
        elif typing.get_origin(kind) is typing.Literal:
            choices = list(typing.get_args(kind))
            flags.DEFINE_enum(name, default, choices, text, flag_values=values)
        else:
            flags.DEFINE_string(name, as_text(default), text, flag_values=values)


def _tuple(name: str, text: str, member: type) -> tuple:
    try:
        return tuple(member(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InputError(
            f"--{name}={text}: give {'whole ' if member is int else ''}numbers "
            "separated by commas, without spaces"
        ) from None


def _read(cls: type, values: flags.FlagValues) -> Any:
    kinds = typing.get_type_hints(cls)
    made = {}
    for field in dataclasses.fields(cls):
        value, kind = values[field.name].value, _kind(kinds[field.name])
        if typing.get_origin(kind) is tuple:
            value = _tuple(field.name, value, typing.get_args(kind)[0])
        made[field.name] = value
    return cls(**made)


def _settings(cls: type) -> list[type]:
    """The dataclasses whose fields are flags: those of `Config`, or the class alone."""
    if cls is Config:
        return [type(field.default) for field in dataclasses.fields(Config)]
    return [cls]


def _help(classes: Sequence[type], description: str) -> str:
    lines = [description, ""]
    for cls in classes:
        lines += [f"{(cls.__doc__ or '').strip().splitlines()[0]}", ""]
        for field in dataclasses.fields(cls):
            kind = _kind(typing.get_type_hints(cls)[field.name])
            choices = ""
            if typing.get_origin(kind) is typing.Literal:
                choices = f" <{'|'.join(typing.get_args(kind))}>"
            lines.append(f"  --{field.name}={as_text(field.default)}{choices}")
            lines += textwrap.wrap(
                field.metadata["help"],
                84,
                initial_indent=" " * 6,
                subsequent_indent=" " * 6,
            )
        lines.append("")
    lines += ["Any of these may stand in a file, one a line: --flagfile=FILE", ""]
    return "\n".join(lines)


def parse(argv: Sequence[str], *classes: type, description: str = "") -> list[Any]:
    """Reads a command line into dataclasses; `--help` prints and exits.

    Args:
      argv: the program's name and its arguments.
      *classes: what to read; `Config` stands for all of its rooms.
      description: first words of the help.

    Returns:
      One object for each class.

    Raises:
      InputError: an unknown flag, a value of the wrong kind, a stray word.
    """
    wanted = [member for cls in classes for member in _settings(cls)]
    if {"--help", "-help", "-h", "--helpfull"} & set(argv[1:]):
        print(_help(wanted, description))
        raise SystemExit(0)
    values = flags.FlagValues()
    flags.DEFINE_string("flagfile", "", "File of further flags.", flag_values=values)
    flags.DEFINE_string("undefok", "", "Flags to ignore.", flag_values=values)
    for cls in wanted:
        _define(cls, values)
    try:
        rest = values(list(argv))
    except flags.UnrecognizedFlagError as error:
        raise InputError(_unknown(error.flagname, list(values))) from None
    except flags.IllegalFlagValueError as error:
        raise InputError(_illegal(error, wanted)) from None
    except flags.CantOpenFlagFileError as error:
        reason = _one_line(error).rpartition("] ")[2]
        raise InputError(f"--flagfile: {reason}; name a file of flags") from None
    except (flags.Error, ValueError) as error:  # or a flagfile that is no text
        raise InputError(f"{_one_line(error)}; write --name=value") from None
    if len(rest) > 1:
        raise InputError(f"{rest[1]!r}: not a flag; write --name=value")
    read = {cls: _read(cls, values) for cls in wanted}
    return [_gathered(read) if cls is Config else read[cls] for cls in classes]


def _gathered(read: dict[type, Any]) -> Config:
    rooms = dataclasses.fields(Config)
    return Config(**{room.name: read[type(room.default)] for room in rooms})


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean --{near[0]}?" if near else "--help lists all flags"
    return f"--{name}: no such flag; {hint}"


def _illegal(error: Exception, wanted: Sequence[type]) -> str:
    """What was given, and what to give instead."""
    cause = str(error.__context__)
    given = str(error).removeprefix("flag ").removesuffix(f": {cause}")
    name = given.removeprefix("--").partition("=")[0]
    hints = [typing.get_type_hints(cls) for cls in wanted]
    kind = next((_kind(of[name]) for of in hints if name in of), None)
    if typing.get_origin(kind) is typing.Literal:
        cause = f"choose from {', '.join(typing.get_args(kind))}"
    return _one_line(f"{given}: {_REMEDIES.get(kind, cause)}")


def _one_line(error: Exception | str) -> str:
    return " ".join(str(error).split())


def to_flagfile(config: Config, header: str = "") -> str:
    """A run's settings as a flagfile that `parse` reads back."""
    lines = [f"# {line}" for line in header.splitlines()]
    for room in dataclasses.fields(Config):
        settings = getattr(config, room.name)
        lines += ["", f"# {room.name}"]
        for field in dataclasses.fields(settings):
            lines.append(f"--{field.name}={as_text(getattr(settings, field.name))}")
    return "\n".join(lines).strip() + "\n"


def run(main: Callable[[list[str]], int | None]) -> None:
    """Runs a script: bad input is one line on stderr and exit code 2."""
    # TensorFlow's notes on the processor would bury the line that matters.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        code = main(sys.argv)
    except InputError as error:
        text = error.text("--") if isinstance(error, SettingError) else error
        print(f"error: {_one_line(text)}", file=sys.stderr)
        code = 2
    except BrokenPipeError:
        code = 1
    raise SystemExit(code or 0)
