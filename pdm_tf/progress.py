"""How far a long work is and when it ends: a bar for who watches, lines in a log."""

import io
import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")

ABANDONED = "abandoned when stopped"  # name of threads that Ctrl-C does not wait for
EVERY = 15.0  # seconds between two lines of a log
_LINE = "{desc}: {n_fmt} of {total_fmt}{unit}, {elapsed} gone, {remaining} left"


class _Lines(io.TextIOBase):
    """Takes what is drawn in place and writes each state as a line of its own."""

    def write(self, text: str) -> int:
        """Text without what only moves a terminal's cursor."""
        line = text.strip()
        if line:
            say(line)
        return len(text)


def say(text: str) -> None:
    """A line about what is being done now, beside the results on stdout."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


def progress(
    work: Iterable[T] | None = None,
    title: str = "",
    unit: str = "",
    total: int | None = None,
    done: int = 0,
    delay: float = 0.0,
) -> "tqdm[T]":
    """Iterates over work, or takes `update(n)`, and says how far it is.

    On a terminal a bar is drawn in place; elsewhere a line is written at once and then
    every 15 seconds, which says how much is done and how long the rest will take.

    Args:
      work: what to iterate over; None: `update` is called.
      title: what is being done.
      unit: of which things, such as "pictures".
      total: how many there are; None: the length of `work`.
      done: how many were done before.
      delay: seconds of silence, for work that is mostly short.
    """
    settings: dict[str, Any] = {"desc": title, "total": total, "initial": done}
    settings |= {"unit": f" {unit}" if unit else "", "delay": delay, "leave": False}
    if sys.stderr is not None and sys.stderr.isatty():
        return tqdm(work, dynamic_ncols=True, **settings)
    known = total is not None or hasattr(work, "__len__")
    settings |= {"mininterval": EVERY, "maxinterval": EVERY, "file": _Lines()}
    return tqdm(work, bar_format=_LINE if known else None, **settings)
