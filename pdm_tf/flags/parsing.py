"""A command line or flagfile into dataclasses; a mistake gets one helpful line."""

import dataclasses
import difflib
import math
import typing
from collections.abc import Sequence
from typing import Any

from absl import flags

from pdm_tf.config import Config
from pdm_tf.errors import InputError, as_text
from pdm_tf.flags.flagfiles import expand
from pdm_tf.flags.outputs import check_output
from pdm_tf.flags.writing import format_help, kind_of, settings_in

HELP = {"--help", "-help", "-h", "--helpfull"}
_REMEDIES: dict[Any, str] = {
    bool: "give true or false",
    int: "give a whole number",
    float: "give a number",
}


class UnknownFlagError(InputError):
    """A flag that does not exist.

    Attributes:
      flag: its name, without dashes.
    """

    def __init__(self, flag: str, message: str) -> None:
        super().__init__(message)
        self.flag = flag


def _define(cls: type, values: flags.FlagValues) -> None:
    kinds = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        name, default, text = field.name, field.default, field.metadata["help"]
        kind = kind_of(kinds[name])
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
        for alias in field.metadata.get("aliases", ()):
            flags.DEFINE_alias(alias, name, values)


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
        value, kind = values[field.name].value, kind_of(kinds[field.name])
        if typing.get_origin(kind) is tuple:
            value = _tuple(field.name, value, typing.get_args(kind)[0])
        _check_bounds(field, value)
        if field.metadata.get("output"):
            check_output(field.name, value, field.metadata["output"])
        made[field.name] = value
    return cls(**made)


def _check_bounds(field: dataclasses.Field, value: Any) -> None:
    """Raises InputError for numbers that are not finite or outside of their bounds."""
    for number in value if isinstance(value, tuple) else (value,):
        if not isinstance(number, int | float) or isinstance(number, bool):
            continue
        low, high = (field.metadata.get(end) for end in ("low", "high"))
        inside = (low is None or number >= low) and (high is None or number <= high)
        largest = 2**63 if isinstance(number, int) else math.inf  # TensorFlow's int64
        if not (inside and abs(number) < largest):  # nor is NaN below anything
            raise InputError(
                f"--{field.name}={as_text(value)}: give {_range(low, high)}"
            )


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"a number from {low:g} to {high:g}"
    if low is not None:
        return f"{low:g} or more"
    return "a finite number" if high is None else f"{high:g} or less"


def _check_encoding(words: Sequence[str]) -> None:
    """Raises InputError for words that no file of ours could hold.

    Records, manifests and TensorFlow's files are UTF-8, names of files in them too.
    """
    for word in words:
        if not word.isascii() and any("\ud800" <= c <= "\udfff" for c in word):
            raise InputError(f"{word}: is no UTF-8; rename the file or folder")


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
    wanted = [member for cls in classes for member in settings_in(cls)]
    if HELP & set(argv[1:]):
        print(format_help(classes, description))
        raise SystemExit(0)
    values = flags.FlagValues()
    flags.DEFINE_string("flagfile", "", "File of further flags.", flag_values=values)
    flags.DEFINE_string("undefok", "", "Flags to ignore.", flag_values=values)
    for cls in wanted:
        _define(cls, values)
    words = [argv[0], *expand(argv[1:])]
    _check_encoding(words)
    try:
        rest = values(words)
    except flags.UnrecognizedFlagError as error:
        raise UnknownFlagError(
            error.flagname, _unknown(error.flagname, wanted)
        ) from None
    except flags.IllegalFlagValueError as error:
        raise InputError(_illegal(error, wanted)) from None
    except (flags.Error, ValueError) as error:
        raise InputError(f"{_one_line(error)}; write --name=value") from None
    if len(rest) > 1:
        raise InputError(f"{rest[1]!r}: not a flag; write --name=value")
    read = {cls: _read(cls, values) for cls in wanted}
    return [_gathered(read) if cls is Config else read[cls] for cls in classes]


def _gathered(read: dict[type, Any]) -> Config:
    rooms = dataclasses.fields(Config)
    return Config(**{room.name: read[type(room.default)] for room in rooms})


def _unknown(name: str, wanted: Sequence[type]) -> str:
    known = [field.name for cls in wanted for field in dataclasses.fields(cls)]
    known.append("flagfile")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean --{near[0]}?" if near else "--help lists all flags"
    return f"--{name}: no such flag; {hint}"


def _illegal(error: Exception, wanted: Sequence[type]) -> str:
    """What was given, and what to give instead."""
    cause = str(error.__context__)
    given = str(error).removeprefix("flag ").removesuffix(f": {cause}")
    name = given.removeprefix("--").partition("=")[0]
    hints = [typing.get_type_hints(cls) for cls in wanted]
    kind = next((kind_of(of[name]) for of in hints if name in of), None)
    if typing.get_origin(kind) is typing.Literal:
        cause = f"choose from {', '.join(typing.get_args(kind))}"
    return _one_line(f"{given}: {_REMEDIES.get(kind, cause)}")


def _one_line(error: Exception | str) -> str:
    return " ".join(str(error).split())
