"""What happens now and then in a training beside its steps."""

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Event(NamedTuple):
    """Happens every so many steps, and after the last one."""

    every: int
    happen: Callable[[int], object]  # takes the steps finished; True ends the training


def watched(events: Sequence[Event], chief: bool) -> list[Event]:
    """Events of one of several processes: all stop for them, one makes them happen."""
    return [event if chief else Event(event.every, _pass) for event in events]


def _pass(step: int) -> None:
    """Nothing: another process does it."""
