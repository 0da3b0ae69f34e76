"""Settings as text: a value on a command line, a flagfile, the text of --help."""

import dataclasses
import textwrap
import types
import typing
from collections.abc import Sequence
from typing import Any

from pdm_tf.config import Config
from pdm_tf.errors import as_text


def kind_of(annotation: Any) -> Any:
    """The type that a flag parses to; a union counts as its first member."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)[0]
    return annotation


def settings_in(cls: type) -> list[type]:
    """The dataclasses whose fields are flags: those of `Config`, or the class alone."""
    if cls is Config:
        return [type(field.default) for field in dataclasses.fields(Config)]
    return [cls]


def first_line(documented: Any) -> str:
    """Of a docstring."""
    return (documented.__doc__ or "").strip().partition("\n")[0]


def format_help(classes: Sequence[type], description: str) -> str:
    """What `--help` prints: every flag with its default, choices and sentence."""
    lines = [description.strip(), ""]
    for cls in [member for given in classes for member in settings_in(given)]:
        kinds = typing.get_type_hints(cls)
        lines += [first_line(cls), ""]
        for field in dataclasses.fields(cls):
            kind, choices = kind_of(kinds[field.name]), ""
            if typing.get_origin(kind) is typing.Literal:
                choices = f" <{'|'.join(typing.get_args(kind))}>"
            default = "" if field.default is None else as_text(field.default)
            lines.append(f"  --{field.name}={default}{choices}")
            indent = " " * 6
            lines += textwrap.wrap(
                field.metadata["help"],
                84,
                initial_indent=indent,
                subsequent_indent=indent,
            )
        lines.append("")
    if classes:
        lines += ["Any of these may stand in a file, one a line: --flagfile=FILE", ""]
    return "\n".join(lines)


def to_flagfile(config: Config, header: str = "") -> str:
    """A run's settings as a flagfile that `parse` reads back."""
    lines = [f"# {line}" for line in header.splitlines()]
    for room in dataclasses.fields(Config):
        settings = getattr(config, room.name)
        lines += ["", f"# {room.name}"]
        for field in dataclasses.fields(settings):
            lines.append(f"--{field.name}={as_text(getattr(settings, field.name))}")
    return "\n".join(lines).strip() + "\n"
