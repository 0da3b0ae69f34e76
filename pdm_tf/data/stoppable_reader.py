"""An end without a hang, for pictures that TensorFlow's threads fetch from Python."""

import atexit
import threading
import time
import weakref
from dataclasses import dataclass, field

import numpy as np

from pdm_tf.data.sources import Source
from pdm_tf.errors import InputError

_CALM = 0.1  # seconds without a call after which the threads are taken to be idle


@dataclass(eq=False)
class StoppableReader:
    """`source.read`, which returns black pictures once it is stopped.

    Counts its calls, so that `stop` can wait for the end of them.
    """

    source: Source
    shape: tuple[int, ...]  # of one picture
    label: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int32))  # [1, …]
    stopped: bool = False
    calls: int = 0
    running: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        _in_use.add(self)

    def __call__(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int64 [B] -> uint8 [B, H, W, C], int32 [B] or float32 [B, n]."""
        with self.lock:
            self.calls += 1
            self.running += 1
        try:
            if not self.stopped:
                return self._read(indices)
            count = len(indices)
            labels = np.zeros((count, *self.label.shape[1:]), self.label.dtype)
            return np.zeros((count, *self.shape), np.uint8), labels
        finally:
            with self.lock:
                self.running -= 1

    def _read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self.source.read(indices)
        except InputError as error:
            _failures.append(error)
            raise


_failures: list[InputError] = []


def failure() -> InputError | None:
    """What ended a reading, if its input did; TensorFlow hands on the text alone."""
    return _failures.pop() if _failures else None


_in_use: "weakref.WeakSet[StoppableReader]" = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    stop(list(_in_use))


def stop(readers: list[StoppableReader]) -> None:
    """Lets the threads of tf.data come to rest; called when the interpreter ends.

    A thread that enters Python while the interpreter is torn down is killed on the
    spot, and the destructor of its iterator waits for it for ever. Nobody takes
    batches any more: black ones fill the buffers at once, and then no call comes.
    """
    for reader in readers:
        reader.stopped = True
    calls = 0  # where none was ever made there is nothing to wait for
    while calls != (total := sum(r.calls for r in readers)) or any(
        r.running for r in readers
    ):
        calls = total
        time.sleep(_CALM)
