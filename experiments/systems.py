"""Writes docs/systems.md: all 42 systems, what each must show and what it showed.

The record is docs/systems.json; scripts that measure a system call `record_system`.

Example: python -m experiments.systems
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from experiments.pages import DOCS, read_record, table, write_page, write_record

ARGUMENTS: tuple[str, ...] = ()
RECORD, PAGE = DOCS / "systems.json", DOCS / "systems.md"
FIELDS = (
    "number",
    "system",
    "paper",
    "command",
    "figure",
    "bar",
    "paper_figure",
    "not_reproduced",
    "holds",
)
Verdict = bool | Literal["undecided"] | None
_WORDS: dict[Any, str] = {
    True: "yes",
    False: "no",
    "undecided": "undecided",
    None: "not built",
}


def record_system(
    number: int, *, record: Path = RECORD, page: Path = PAGE, **found: Any
) -> None:
    """Records what was found of a system, and writes the page again.

    Args:
      number: of the system, 1 to 42.
      record: the JSON file.
      page: the page that is made of it.
      **found: fields of `FIELDS` to change: figure, holds, command, mostly.

    Raises:
      ValueError: no such system, or a field or verdict that does not exist.
    """
    systems = read_record(record)
    mine = [system for system in systems if system["number"] == number]
    if len(mine) != 1:
        raise ValueError(f"system {number}: {len(mine)} of them in {record}")
    unknown = set(found) - set(FIELDS[1:])
    if unknown:
        raise ValueError(f"system {number}: no field {', '.join(sorted(unknown))}")
    mine[0].update(found)
    check(systems)
    write_record(record, systems)
    write(systems, page)


def check(systems: Sequence[dict[str, Any]]) -> None:
    """Raises ValueError for a record that is not complete or contradicts itself."""
    if [system["number"] for system in systems] != list(range(1, 43)):
        raise ValueError("the systems must be numbered 1 to 42, in this order")
    for system in systems:
        number, holds = system["number"], system["holds"]
        if tuple(system) != FIELDS:
            raise ValueError(f"system {number}: its fields are not {FIELDS}")
        if not (holds is None or holds in (True, False, "undecided")):
            raise ValueError(f"system {number}: holds is {holds!r}")
        if (holds is None) != (system["figure"] is None):
            raise ValueError(f"system {number}: a figure needs a verdict, and only it")


def write(systems: Sequence[dict[str, Any]], page: Path = PAGE) -> None:
    """Writes the table into the page."""
    write_page(page, "systems", text_of(systems))


def text_of(systems: Sequence[dict[str, Any]]) -> str:
    """What stands in the page: the count, the systems that are built, the others."""
    built = [system for system in systems if system["holds"] is not None]
    others = [system for system in systems if system["holds"] is None]
    holding = sum(system["holds"] is True for system in built)
    parts = [
        f"{len(built)} of {len(systems)} are built; {holding} of them hold their bar.",
        table(
            ("", "system", "command", "figure", "bar", "holds", "the paper has"),
            (_built(system) for system in built),
        ),
        "Not built yet:",
        table(
            ("", "system", "bar", "the paper has", "not reproduced here"),
            (_planned(system) for system in others),
        ),
    ]
    missing = [f"- **{s['system']}**: {s['not_reproduced']}." for s in built]
    if missing:
        parts.insert(2, "\n".join(["Not reproduced of those built:", "", *missing]))
    return "\n\n".join(parts)


def _named(system: dict[str, Any]) -> str:
    link = f"https://arxiv.org/abs/{system['paper']}"
    return f"{system['system']} ([{system['paper']}]({link}))"


def _built(system: dict[str, Any]) -> list[str]:
    return [
        str(system["number"]),
        _named(system),
        f"`{system['command']}`" if system["command"] else "",
        system["figure"],
        system["bar"],
        _WORDS[system["holds"]],
        system["paper_figure"] or "",
    ]


def _planned(system: dict[str, Any]) -> list[str]:
    values = (system["bar"], system["paper_figure"], system["not_reproduced"])
    return [str(system["number"]), _named(system), *(v or "" for v in values)]


def main(argv: Sequence[str] | None = None) -> None:
    """Checks the record and writes the page."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    systems = read_record(RECORD)
    check(systems)
    write(systems)
    print(PAGE)


if __name__ == "__main__":
    main()
