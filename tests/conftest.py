"""Quiet, quick and repeatable: what every test starts with."""

import os

import pytest

# Read when TensorFlow is first imported, which test modules do after this one.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
THREADS = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", THREADS)
os.environ.setdefault("TF_NUM_INTEROP_THREADS", THREADS)


@pytest.fixture
def seeded():
    """Fresh weights are the same in every run of a test that asks for this."""
    import keras

    keras.utils.set_random_seed(0)
