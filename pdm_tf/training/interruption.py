"""Ctrl-C, SIGTERM and SIGHUP, acted upon between two calls of the graph."""

import contextlib
import signal
import sys
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """While entered, the first signal requests a stop; a second Ctrl-C stops at once.

    SIGHUP stays ignored where it is, as under nohup; SIGINT does not, from which shells
    shield what they run in the background: whoever sends it means this process.

    Attributes:
      requested: whether to stop.
      preempted: whether it was not Ctrl-C: machines get SIGTERM before they are taken
        away, and what a terminal started gets SIGHUP when it is closed.
    """

    def __init__(self) -> None:
        self.requested = self.preempted = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            shielded = signal.getsignal(number) is signal.SIG_IGN
            if not (shielded and number == signal.SIGHUP):
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested, self.preempted = True, number != signal.SIGINT
        with contextlib.suppress(OSError, ValueError, AttributeError, RuntimeError):
            # The terminal may be gone, or a line be half written.
            print("\nstopping: saving a checkpoint first …", file=sys.stderr)
