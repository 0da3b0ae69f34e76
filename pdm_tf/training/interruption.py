"""Ctrl-C and SIGTERM, acted upon between two calls of the graph."""

import signal
import sys
from types import FrameType
from typing import Self


class Interruption:
    """While entered, the first signal requests a stop; a second Ctrl-C stops at once.

    Attributes:
      requested: whether to stop.
      preempted: whether it was SIGTERM, which machines get before they are taken away.
    """

    def __init__(self) -> None:
        self.requested = self.preempted = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested, self.preempted = True, number == signal.SIGTERM
        print("\nstopping: saving a checkpoint first …", file=sys.stderr)
