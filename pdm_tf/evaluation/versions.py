"""Versions of what numbers depend on, for reports."""

import platform

import numpy as np
import tensorflow as tf


def versions() -> dict[str, str]:
    """Of Python, TensorFlow and NumPy."""
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
