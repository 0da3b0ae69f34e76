"""Ctrl-C while a command is still being imported: as later, one line and code 130."""

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType

_SCRIPTS = {"sample.py", "train.py"}


def _stop(number: int, frame: FrameType | None) -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"\nstopped\n")
    os._exit(130)


def _is_command() -> bool:
    """Whether a command of ours was started, not a program that uses the library."""
    if "multiprocessing.spawn" in sys.modules:
        return False  # a process that a command has started
    program = Path(sys.argv[0] if sys.argv else "")
    if program.name in ("-m", "pdm-tf"):
        return True
    root = Path(__file__).resolve().parents[2]
    return program.name in _SCRIPTS and program.resolve().parent == root


def guard() -> None:
    """Lets Ctrl-C end a command quietly until `run` takes over."""
    with contextlib.suppress(ValueError):  # not in the main thread
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if usual and _is_command():
            signal.signal(signal.SIGINT, _stop)


guard()
