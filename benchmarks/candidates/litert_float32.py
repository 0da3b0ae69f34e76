"""This project's network as a .tflite file, by LiteRT on the processor."""

import tempfile
from pathlib import Path

import numpy as np
from ours import network_config
from served import build_denoiser
from serving import serve

from pdm_tf.config import Quantisation
from pdm_tf.export.litert import convert
from pdm_tf.export.quantising import quantise
from pdm_tf.serving import LitertNetwork


def make(order: dict, how: Quantisation = "none"):
    """One evaluation for every picture of the batch: a file is of one picture."""
    config = network_config(order["network"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.tflite"
        convert(build_denoiser(config), file)
        if how != "none":
            file.write_bytes(quantise(file, how))
        network = LitertNetwork(file)
    z = np.random.default_rng(0).standard_normal(
        (order["batch"], *config.image_shape), np.float32
    )
    t = np.full([order["batch"]], 500, np.int32)
    labels = np.arange(order["batch"], dtype=np.int32) % max(config.num_classes, 1)
    return lambda: network(z, t, labels)


if __name__ == "__main__":
    serve(make)
