"""Ctrl-C while a command is still being imported: as later, one line and code 130.

Little is imported here, so that it is soon done: `_signal` is `signal` without names.
"""

import _signal
import os
import sys
from types import FrameType

_SCRIPTS = {"sample.py", "train.py"}


def _stop(number: int, frame: FrameType | None) -> None:
    try:
        os.write(2, b"\nstopped\n")
    finally:
        os._exit(130)


def _is_command() -> bool:
    """Whether a command of ours was started, not a program that uses the library."""
    if "multiprocessing.spawn" in sys.modules:
        return False  # a process that a command has started
    program = sys.argv[0] if sys.argv else ""
    folder, name = os.path.split(program)
    if name in ("-m", "pdm-tf"):
        return True
    root = os.path.realpath(f"{__file__}/../../..")
    return name in _SCRIPTS and os.path.realpath(folder or os.curdir) == root


def guard() -> None:
    """Lets Ctrl-C end a command quietly until `run` takes over."""
    try:
        usual = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
        if usual and _is_command():
            _signal.signal(_signal.SIGINT, _stop)
    except ValueError:
        pass  # not in the main thread


guard()
