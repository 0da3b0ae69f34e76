"""The end: no call into Python is left behind when the interpreter goes."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from pdm_tf.data.stoppable_reader import StoppableReader, stop

SHAPE = (2, 3, 1)


class Held:
    """A source whose pictures come when it is let go."""

    def __init__(self):
        self.entered, self.let_go = threading.Event(), threading.Event()

    def read(self, indices):
        self.entered.set()
        assert self.let_go.wait(10)
        return np.ones((len(indices), *SHAPE), np.uint8), indices.astype(np.int32)


def test_stop_waits_for_calls_and_then_gives_black():
    source = Held()
    reader = StoppableReader(source, SHAPE)
    got = []
    call = threading.Thread(target=lambda: got.append(reader(np.arange(4))))
    call.start()
    assert source.entered.wait(10)
    end = threading.Thread(target=stop, args=([reader],))
    end.start()
    end.join(0.5)
    assert end.is_alive()  # a call is under way
    source.let_go.set()
    end.join(10)
    assert not end.is_alive()
    call.join(10)
    assert got[0][0].all() and got[0][1].tolist() == [0, 1, 2, 3]
    pictures, labels = reader(np.arange(4))
    assert pictures.shape == (4, *SHAPE) and pictures.dtype == np.uint8
    assert labels.shape == (4,) and labels.dtype == np.int32
    assert not pictures.any() and not labels.any()


PROGRAM = """
from pdm_tf.data import photos
from pdm_tf.data.pipeline import training_batches

photos.kept_in_memory = lambda source: source
batches = iter(training_batches(photos.open_photos("", (64, 64, 3), 0, "train"), 64, 0))
for _ in range(20):
    next(batches)
"""


@pytest.mark.slow
def test_a_program_ends_in_the_middle_of_its_batches():
    for _ in range(2):  # without `stop` at exit it hangs, eight times in eight
        subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=90)
