"""The most memory that this process held so far, as measured."""

import resource
import sys

import tensorflow as tf


def peak_memory() -> dict[str, int]:
    """Most bytes held so far: by the process ("host"), and on each GPU ("GPU:0")."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    for i, _ in enumerate(tf.config.list_logical_devices("GPU")):
        peak[f"GPU:{i}"] = tf.config.experimental.get_memory_info(f"GPU:{i}")["peak"]
    return peak
