"""This project's network as an OpenVINO model, on the processor."""

import tempfile
from pathlib import Path

import numpy as np
from exported import write
from serving import serve

from pdm_tf.serving import OpenvinoNetwork


def make(order: dict, precision: str = "float32"):
    """One evaluation for every picture of the batch: a model is of one picture.

    It is read from below the order's `exports`, where it lies there already.
    """
    with tempfile.TemporaryDirectory() as folder:
        if "exports" in order:
            folder = str(Path(order["exports"]) / precision)
        else:
            write(order, "openvino", precision, folder)
        network = OpenvinoNetwork(folder, precision)
    settings, batch = order["network"], order["batch"]
    z = np.random.default_rng(0).standard_normal(
        (batch, *settings["image_shape"]), np.float32
    )
    continuous = settings["architecture"] == "jit"
    t = np.full([batch], *((0.5, np.float32) if continuous else (500, np.int32)))
    labels = np.arange(batch, dtype=np.int32) % max(settings["num_classes"], 1)
    return lambda: network(z, t, labels)


if __name__ == "__main__":
    serve(make)
