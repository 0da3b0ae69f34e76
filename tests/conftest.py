"""Quiet, quick and repeatable: what every test starts with, and models to share."""

import ctypes
import gc
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Read when TensorFlow is first imported, which test modules do after this one.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
THREADS = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", THREADS)
os.environ.setdefault("TF_NUM_INTEROP_THREADS", THREADS)
# TensorFlow's own pool of memory never gives any back: a worker grew to 6.8 GB.
os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")


DATA = Path(__file__).resolve().parent / "data"


def pytest_collection_finish() -> None:
    """What all tests import is not looked through at each collection of garbage."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """The end of the process finds everything as it would have."""
    gc.unfreeze()


@pytest.fixture(scope="module", autouse=True)
def memory_given_back() -> Iterator[None]:
    """What the tests of a file no longer hold goes back to the system after them.

    What is left is there to stay: looking through it again and again, for garbage, took
    a quarter of the time of all tests.
    """
    yield
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim is not None:
        trim(0)


@pytest.fixture(scope="session")
def models_0_1(tmp_path_factory) -> Path:
    """Tiny models that version 0.1 trained, see tests/data/version_0_1. Only read."""
    directory = tmp_path_factory.mktemp("version_0_1")
    with tarfile.open(DATA / "version_0_1" / "models.tar.xz") as archive:
        archive.extractall(directory, filter="data")
    return directory


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> Path:
    """A run with ten classes, two levels and random weights. Only read."""
    from tiny_runs import make_run

    directory = tmp_path_factory.mktemp("tiny") / "run"
    network = {"num_classes": 10, "channel_multipliers": (1.0, 1.0)}
    return make_run(directory, 1, ema_every=1, network=network)


@pytest.fixture
def seeded():
    """Fresh weights are the same in every run of a test that asks for this."""
    import keras

    keras.utils.set_random_seed(0)
